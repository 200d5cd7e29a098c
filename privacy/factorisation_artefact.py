"""How a strategy matrix travels: a file that protocol, sites and hub mean by its hash.

    {"artefact": {"kind": "dense", "epochs": ..., ..., "schema": "kelsey.factorisation/1"}, "sha256": ...}

The hash is that of the canonical JSON of the inner object. Nothing in the file is believed: shape, condition (S),
column norm and error factors are computed from the integers and compared with what it says.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

import msgspec
import numpy as np

from cases.errors import ParameterError
from privacy.buffered_toeplitz import BufferedToeplitzFactorisation
from privacy.dense_factorisation import LARGEST_DENSE_EPOCHS, DenseFactorisation
from privacy.error_factors import ErrorFactors
from privacy.hashed_artefact import HashedArtefact
from privacy.workload import Workload

__all__ = ["FactorisationArtefact"]


class FactorisationArtefact(HashedArtefact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A strategy matrix with what it was made for and how good it is; made by `of`, read by `load`.

    Parameters
    ----------
    kind
        ``dense`` or ``buffered-toeplitz``.
    epochs, coefficient_bits, column_norm_squared
        As those of the matrix.
    entries
        Of a dense one: the lower triangle row by row, two bytes each, little-endian; else empty.
    buffers
        Of a buffered one: pairs of scale and decay in units of 2**-32; else empty.
    workload
        What it was made for.
    error_factors
        What it achieves.
    bound
        What no matrix of this era could have undercut in the workload's objective; None where it was not computed.
    """

    NAME: ClassVar[str] = "a factorisation artefact"

    kind: Literal["dense", "buffered-toeplitz"]
    epochs: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    coefficient_bits: Annotated[int, msgspec.Meta(ge=4, le=16)]
    column_norm_squared: int
    workload: Workload
    error_factors: ErrorFactors
    bound: float | None = None
    entries: bytes = b""
    buffers: tuple[tuple[int, int], ...] = ()
    schema: Literal["kelsey.factorisation/1"] = "kelsey.factorisation/1"

    @classmethod
    def of(
        cls,
        strategy: DenseFactorisation | BufferedToeplitzFactorisation,
        workload: Workload,
        *,
        bound: float | None = None,
    ) -> Self:
        """The artefact of a matrix made for `workload`."""
        is_dense = isinstance(strategy, DenseFactorisation)
        return cls(
            kind="dense" if is_dense else "buffered-toeplitz",
            epochs=strategy.epochs,
            coefficient_bits=strategy.coefficient_bits,
            column_norm_squared=strategy.column_norm_squared,
            workload=workload,
            error_factors=ErrorFactors.of(strategy, workload.read_epochs),
            bound=bound,
            entries=_pack(strategy) if isinstance(strategy, DenseFactorisation) else b"",
            buffers=() if isinstance(strategy, DenseFactorisation) else strategy.buffers,
        )

    @cached_property
    def strategy(self) -> DenseFactorisation | BufferedToeplitzFactorisation:
        """The matrix; raises `ParameterError` where the integers are not one, or not the one described."""
        made = self._unpack()
        if made.column_norm_squared != self.column_norm_squared:
            raise ParameterError(f"column_norm_squared must be {made.column_norm_squared}: the matrix's own")
        self.workload.by_epoch(self.epochs)
        if not ErrorFactors.of(made, self.workload.read_epochs).agrees(self.error_factors):
            raise ParameterError("error_factors must be those of the matrix")
        return made

    def check_content(self) -> None:
        """See `HashedArtefact.check_content`."""
        _ = self.strategy

    def _unpack(self) -> DenseFactorisation | BufferedToeplitzFactorisation:
        if self.kind == "buffered-toeplitz":
            if self.entries:
                raise ParameterError("a buffered-toeplitz artefact must have no entries")
            return BufferedToeplitzFactorisation(self.epochs, self.coefficient_bits, self.buffers)
        if self.buffers:
            raise ParameterError("a dense artefact must have no buffers")
        size = self.epochs * (self.epochs + 1)
        if not (self.epochs <= LARGEST_DENSE_EPOCHS and len(self.entries) == size):
            raise ParameterError(f"entries must be {size} bytes for {self.epochs} epochs, not {len(self.entries)}")
        matrix = np.zeros((self.epochs, self.epochs), dtype=np.uint16)
        matrix[np.tril_indices(self.epochs)] = np.frombuffer(self.entries, dtype="<u2")
        return DenseFactorisation(matrix, self.coefficient_bits)


def _pack(strategy: DenseFactorisation) -> bytes:
    return strategy.entries[np.tril_indices(strategy.epochs)].astype("<u2").tobytes()
