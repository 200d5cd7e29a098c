"""How a strategy matrix travels: a file that protocol, sites and hub mean by its hash.

    {"artefact": {"kind": "dense", "epochs": ..., ..., "schema": "kelsey.factorisation/1"}, "sha256": ...}

The hash is that of the canonical JSON of the inner object. Nothing in the file is believed: shape, condition (S),
column norm and error factors are computed from the integers and compared with what it says.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import numpy as np

from cases.errors import ConfigurationError, ParameterError
from privacy.buffered_toeplitz import BufferedToeplitzFactorisation
from privacy.dense_factorisation import LARGEST_DENSE_EPOCHS, DenseFactorisation
from privacy.error_factors import ErrorFactors
from privacy.workload import Workload

__all__ = ["FactorisationArtefact"]

_encoder = msgspec.json.Encoder(order="sorted")


class FactorisationArtefact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
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
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits: what a protocol names."""
        return hashlib.sha256(_encoder.encode(self)).hexdigest()

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

    def encode(self) -> bytes:
        """The file: canonical JSON with the hash beside it."""
        return _encoder.encode(_Envelope(artefact=self, sha256=self.hash))

    @classmethod
    def decode(cls, data: bytes) -> FactorisationArtefact:
        """The artefact in `data`, its matrix checked. Raises `ConfigurationError`, saying what does not hold."""
        try:
            envelope = msgspec.json.decode(data, type=_Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"not a factorisation artefact of schema version 1: {error}") from error
        artefact = envelope.artefact
        if artefact.hash != envelope.sha256:
            raise ConfigurationError(
                f"the artefact's hash is {artefact.hash}, its file says {envelope.sha256}",
                hint="the file was changed: fetch it again from where the protocol came from",
            )
        try:
            _ = artefact.strategy
        except ParameterError as error:
            raise ConfigurationError(f"factorisation artefact: {error.message}") from error
        return artefact

    @classmethod
    def load(cls, path: Path | str) -> FactorisationArtefact:
        """Read an artefact's file. Raises `ConfigurationError` where it is missing or not a sound artefact."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"factorisation file {path}: {error.strerror}") from error
        return cls.decode(data)

    def dump(self, path: Path | str) -> None:
        """Write the file, with a newline at its end."""
        Path(path).write_bytes(self.encode() + b"\n")

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


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    artefact: FactorisationArtefact
    sha256: str


def _pack(strategy: DenseFactorisation) -> bytes:
    return strategy.entries[np.tril_indices(strategy.epochs)].astype("<u2").tobytes()
