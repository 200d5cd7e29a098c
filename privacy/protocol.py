"""The surveillance protocol: what sites and hub agree on before the first release, as one hashed document.

A release names the hash; a site refuses to release, and a hub to accept, under any other.
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import msgspec

from cases.errors import ConfigurationError, ParameterError
from privacy.active_cells import ActiveCells, cells_beside
from privacy.calendar import EpochCalendar
from privacy.chosen_strategy import chosen_strategy, find_artefact, find_built_in
from privacy.cohort import Cohort
from privacy.factorisation import SquareRootFactorisation
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.residual_cells import MAXIMUM_BUCKETS, ResidualCells
from privacy.strategy_matrix import StrategyMatrix
from privacy.table_layout import TableLayout

__all__ = ["SurveillanceProtocol"]

_MAXIMUM_CELLS = 1 << 22
_MAXIMUM_PRODUCT = 1 << 26  # where most pairs share buckets
_MAXIMUM_NAME = 512
_GRID = 1 << 8  # weights are multiples of 2**-8

_encoder = msgspec.json.Encoder(order="sorted")


class SurveillanceProtocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What is counted, when, and under which privacy budget.

    Parameters
    ----------
    name, version
        What people call it.
    era
        Name of the time for which budget and wallets are paid once; new era, new wallets.
    vocabulary
        ``name@version`` of the vocabulary that gave the drug and reaction names.
    drugs, reactions
        Public lists, names distinct and not empty. A pair's cell is ``drug_index * len(reactions) + reaction_index``;
        at most 2**22 of them, or 2**26 with `active_cells`.
    calendar
        Epochs of the era.
    epsilon, delta
        Guarantee for one patient at one site over the whole era, add/remove; epsilon in (0, 100], delta in (0, 0.01].
        A delta above 1 / (10 x patients) is weak.
    wallet_capacity
        C, L2 bound of a patient's weights over the era in each table; a multiple of 2**-8 in (0, 16].
    wallet_operations
        M, bound on a patient's operations over the era in each table, in [1, 1024].
    margin_share
        Share of mu squared that goes to both margins together, in (0, 1).
    coefficient_bits
        Coefficients of the factorisation are multiples of ``2**-coefficient_bits``; in [4, 16].
    trust_mode
        Who adds the noise. ``per-site``: every site the whole of it. ``secure-sum``: all sites together, to a sum that
        two aggregators form in shares.
    minimum_cohort, honest_fraction
        Of ``secure-sum`` (`Cohort`), and only there: fewest sites with which a sum is opened, and which share of them
        is relied upon.
    with_narrative
        Whether items read in narratives count like coded ones.
    rules
        Names of the rules (`detectors.rules`) by which the hub raises SDRs.
    factorisation
        Hash of the artefact whose matrix counts (`privacy.factorisation_artefact`). Left out, also of the canonical
        JSON: the square root.
    active_cells, residual_buckets
        Hash of the artefact that says which pairs have a place of their own in the pair table
        (`privacy.active_cells`), and among how many buckets all other pairs are hashed (`privacy.residual_cells`):
        together at most 2**22 places. Both or neither: margins count every pair of the lists, so every pair must be
        counted somewhere. Left out, also of the canonical JSON: every pair has its own place.

    Examples
    --------
    >>> from datetime import date
    >>> protocol = SurveillanceProtocol(
    ...     name="example", version="1", era="1990-1997", vocabulary="vaers@1", drugs=("DTP", "MMR"),
    ...     reactions=("FEVER", "RASH"), calendar=EpochCalendar("month", date(1990, 1, 1), 96), epsilon=3.0, delta=1e-6)
    >>> protocol.cell("MMR", "FEVER"), protocol.cell("MMR", "HEADACHE")
    (2, None)
    """

    name: str
    version: str
    era: str
    vocabulary: str
    drugs: tuple[str, ...]
    reactions: tuple[str, ...]
    calendar: EpochCalendar
    epsilon: float
    delta: float
    wallet_capacity: float = 1.5
    wallet_operations: int = 16
    margin_share: float = 0.05
    coefficient_bits: int = 8
    trust_mode: Literal["per-site", "secure-sum"] = "per-site"
    minimum_cohort: int | msgspec.UnsetType = msgspec.UNSET  # not written where it is not set
    honest_fraction: float | msgspec.UnsetType = msgspec.UNSET
    with_narrative: bool = False
    rules: tuple[str, ...] = ("evans", "ema", "umc")
    factorisation: str | msgspec.UnsetType = msgspec.UNSET
    active_cells: str | msgspec.UnsetType = msgspec.UNSET
    residual_buckets: int | msgspec.UnsetType = msgspec.UNSET
    schema_version: Literal[2] = 2  # 1 had margins that add up pairs

    def __post_init__(self) -> None:
        for field in ("name", "version", "era", "vocabulary"):
            if not 0 < len(getattr(self, field)) <= _MAXIMUM_NAME:
                raise ParameterError(f"{field} must have between 1 and {_MAXIMUM_NAME} characters")
        for field in ("drugs", "reactions"):
            names = getattr(self, field)
            if not names or len(set(names)) != len(names):
                raise ParameterError(f"{field} must be distinct names, at least one")
            if not all(0 < len(item) <= _MAXIMUM_NAME for item in names):
                raise ParameterError(f"every name in {field} must have between 1 and {_MAXIMUM_NAME} characters")
        self._check_cells()
        if not 0 < self.epsilon <= 100:
            raise ParameterError(f"epsilon must lie in (0, 100], not {self.epsilon!r}")
        if not 0 < self.delta <= 0.01:
            raise ParameterError(f"delta must lie in (0, 0.01], not {self.delta!r}")
        if not (0 < self.wallet_capacity <= 16 and (self.wallet_capacity * _GRID).is_integer()):
            raise ParameterError(f"wallet_capacity must be a multiple of 2**-8 in (0, 16], not {self.wallet_capacity}")
        if not 1 <= self.wallet_operations <= 1024:
            raise ParameterError(f"wallet_operations must lie in [1, 1024], not {self.wallet_operations!r}")
        if not 0 < self.margin_share < 1:
            raise ParameterError(f"margin_share must lie in (0, 1), not {self.margin_share!r}")
        if not 4 <= self.coefficient_bits <= 16:
            raise ParameterError(f"coefficient_bits must lie in [4, 16], not {self.coefficient_bits!r}")
        if self.factorisation is not msgspec.UNSET and not re.fullmatch("[0-9a-f]{64}", self.factorisation):
            raise ParameterError("factorisation must be 64 hexadecimal digits, the hash of an artefact, or left out")
        if self.active_cells is not msgspec.UNSET and not re.fullmatch("[0-9a-f]{64}", self.active_cells):
            raise ParameterError("active_cells must be 64 hexadecimal digits, the hash of an artefact, or left out")
        if self.trust_mode == "secure-sum":
            if self.cohort is None:
                raise ParameterError("trust mode secure-sum needs minimum_cohort and honest_fraction")
        elif not (self.minimum_cohort is msgspec.UNSET and self.honest_fraction is msgspec.UNSET):
            raise ParameterError("minimum_cohort and honest_fraction belong to trust mode secure-sum")

    def _check_cells(self) -> None:
        product, buckets = len(self.drugs) * len(self.reactions), self.residual_buckets
        if (self.active_cells is msgspec.UNSET) != (buckets is msgspec.UNSET):
            raise ParameterError("active_cells and residual_buckets belong together: both or neither")
        limit = _MAXIMUM_CELLS if buckets is msgspec.UNSET else _MAXIMUM_PRODUCT
        if not product <= limit:
            raise ParameterError(f"drugs x reactions must be at most {limit} cells, not {product}")
        if buckets is not msgspec.UNSET and not (2 <= buckets <= MAXIMUM_BUCKETS and buckets.bit_count() == 1):
            raise ParameterError(f"residual_buckets must be a power of two in [2, {MAXIMUM_BUCKETS}], not {buckets!r}")

    @property
    def cohort(self) -> Cohort | None:
        """What a sum over sites must have before it is opened; None where there is no such sum."""
        if self.minimum_cohort is msgspec.UNSET or self.honest_fraction is msgspec.UNSET:
            return None
        return Cohort(self.minimum_cohort, self.honest_fraction)

    @property
    def cell_count(self) -> int:
        """Number of pairs with a place of their own in the pair table."""
        if self.residual_buckets is msgspec.UNSET:
            return len(self.drugs) * len(self.reactions)
        return self.layout.cells - self.residual_buckets

    @cached_property
    def layout(self) -> TableLayout:
        """Coordinates of the tables. Raises `ConfigurationError` where the active cells were not given to `bind`."""
        if self.active_cells is msgspec.UNSET:
            return TableLayout(drugs=len(self.drugs), reactions=len(self.reactions))
        raise ConfigurationError(f"the active cells of the protocol, {self.active_cells}, are not at hand")

    @cached_property
    def _drug_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.drugs)}

    @cached_property
    def _reaction_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.reactions)}

    def cell(self, drug: str, reaction: str) -> int | None:
        """Number of a pair's cell; None where a name is not in the lists."""
        row = self._drug_index.get(drug)
        column = self._reaction_index.get(reaction)
        return None if row is None or column is None else row * len(self.reactions) + column

    def pair(self, cell: int) -> tuple[str, str]:
        """Drug and reaction of a cell; raises `ParameterError` outside the lists."""
        last = len(self.drugs) * len(self.reactions) - 1
        if not 0 <= cell <= last:
            raise ParameterError(f"cell must lie in [0, {last}], not {cell!r}")
        row, column = divmod(cell, len(self.reactions))
        return self.drugs[row], self.reactions[column]

    @cached_property
    def strategy(self) -> StrategyMatrix:
        """C. Raises `ConfigurationError` where its artefact is neither built in nor was given to `bind`."""
        if self.factorisation is msgspec.UNSET:
            return SquareRootFactorisation(self.calendar.count, self.coefficient_bits)
        return self._strategy_of(find_built_in(self.factorisation))

    def bind(self, artefact: FactorisationArtefact | ActiveCells) -> Self:
        """Supply an artefact the protocol names; gives the protocol itself, which means the same as before.

        Raises `ConfigurationError` where it is another one, or does not fit calendar and grid, or the lists.
        """
        if isinstance(artefact, ActiveCells):
            self.__dict__["layout"] = self._layout_of(artefact)  # where `layout` would keep it
        else:
            self.__dict__["strategy"] = self._strategy_of(artefact)
        return self

    def _layout_of(self, artefact: ActiveCells) -> TableLayout:
        if self.active_cells is msgspec.UNSET or self.residual_buckets is msgspec.UNSET:
            raise ConfigurationError("the protocol names no active cells: every pair has its own place")
        artefact.check(wanted=self.active_cells, drugs=self.drugs, reactions=self.reactions)
        if not artefact.count + self.residual_buckets <= _MAXIMUM_CELLS:
            raise ConfigurationError(
                f"{artefact.count} active cells and {self.residual_buckets} buckets are more than {_MAXIMUM_CELLS}"
            )
        residual = ResidualCells(artefact.numbers, self.residual_buckets, self.hash)
        return TableLayout(drugs=len(self.drugs), reactions=len(self.reactions), residual=residual)

    def _strategy_of(self, artefact: FactorisationArtefact) -> StrategyMatrix:
        if self.factorisation is msgspec.UNSET:
            raise ConfigurationError("the protocol names no factorisation: it counts with the square root")
        return chosen_strategy(
            artefact, wanted=self.factorisation, epochs=self.calendar.count, coefficient_bits=self.coefficient_bits
        )

    def encode(self) -> bytes:
        """Canonical JSON: UTF-8, all fields, keys sorted; equal protocols give equal bytes."""
        return _encoder.encode(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.encode()).hexdigest()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The protocol in `data`; raises `ConfigurationError`, naming the field, where it is not one."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"not a surveillance protocol of schema version 2: {error}") from error

    @classmethod
    def load(cls, path: Path | str, *, factorisation_file: Path | None = None, cells_file: Path | None = None) -> Self:
        """Read a protocol file and the artefacts it names.

        That of its factorisation is taken from `factorisation_file`, else from the file beside the protocol,
        ``protocol.factorisation.json`` for ``protocol.json``, else from those built in; that of its active cells from
        `cells_file`, else from ``protocol.cells.json``. Raises `ConfigurationError` where a file is missing or holds
        something else.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"protocol file {path}: {error.strerror}") from error
        try:
            protocol = cls.decode(data)
        except ConfigurationError as error:
            raise ConfigurationError(f"protocol file {path}: {error.message}", hint=error.hint) from error
        if protocol.factorisation is not msgspec.UNSET:
            found = find_artefact(
                protocol.factorisation, protocol_file=Path(path), factorisation_file=factorisation_file
            )
            protocol.bind(found)
        elif factorisation_file is not None:
            raise ConfigurationError(f"factorisation file {factorisation_file}: the protocol names no factorisation")
        if protocol.active_cells is not msgspec.UNSET:
            protocol.bind(ActiveCells.load(cells_file or cells_beside(Path(path))))
        elif cells_file is not None:
            raise ConfigurationError(f"file of active cells {cells_file}: the protocol names no active cells")
        return protocol

    def dump(self, path: Path | str) -> None:
        """Write the canonical JSON, with a newline at its end."""
        Path(path).write_bytes(self.encode() + b"\n")

    def concerns(self) -> tuple[str, ...]:
        """Unusual privacy parameters, one plain sentence each, for those who sign the protocol."""
        found = []
        if self.epsilon > 5:
            found.append(f"epsilon {self.epsilon:g} is above 5: a weak guarantee for an era.")
        if self.delta > 1e-5:
            found.append(f"delta {self.delta:g} is above 1e-5: choose at most 1 / (10 x patients).")
        if not 0.5 <= self.wallet_capacity <= 3:
            found.append(f"wallet capacity {self.wallet_capacity:g} lies outside 0.5 to 3, where utility was measured.")
        if not 0.02 <= self.margin_share <= 0.1:
            found.append(f"margin share {self.margin_share:g} lies outside 0.02 to 0.1, where utility was measured.")
        return tuple(found)
