"""How what a protocol names by its hash travels: a file with canonical JSON and its hash beside it.

    {"artefact": {..., "schema": "kelsey.<what>/1"}, "sha256": ...}

HashedArtefact ── ActiveCells
└── FactorisationArtefact
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import msgspec

from cases.errors import ConfigurationError, ParameterError

__all__ = ["HashedArtefact"]

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder(order="sorted")


class HashedArtefact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """An artefact that a protocol means by its hash; a subclass adds fields, `schema` among them, and `check_content`.

    Attributes
    ----------
    NAME, HINT
        What it is called in errors, and where a missing file is to be had.
    """

    NAME: ClassVar[str]
    HINT: ClassVar[str] = ""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits: what a protocol names."""
        return hashlib.sha256(_encoder.encode(self)).hexdigest()

    def check_content(self) -> None:
        """Raise `ParameterError` where the fields do not hold what they claim; called for whatever is decoded."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The file: canonical JSON with the hash beside it."""
        return _encoder.encode(_Envelope(artefact=self, sha256=self.hash))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The artefact in `data`, its content checked. Raises `ConfigurationError`, saying what does not hold."""
        try:
            envelope = msgspec.json.decode(data, type=_Envelope[cls])  # type: ignore[valid-type]  # known at run time
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"not {cls.NAME} of schema version 1: {error}") from error
        artefact: Self = envelope.artefact
        if artefact.hash != envelope.sha256:
            raise ConfigurationError(
                f"the artefact's hash is {artefact.hash}, its file says {envelope.sha256}",
                hint="the file was changed: fetch it again from where the protocol came from",
            )
        try:
            artefact.check_content()
        except ParameterError as error:
            raise ConfigurationError(f"not {cls.NAME}: {error.message}") from error
        return artefact

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read an artefact's file. Raises `ConfigurationError` where it is missing or not a sound artefact."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"cannot read {cls.NAME} from {path}: {error.strerror}", hint=cls.HINT) from error
        try:
            return cls.decode(data)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.message}", hint=error.hint) from error

    def dump(self, path: Path | str) -> None:
        """Write the file, with a newline at its end."""
        Path(path).write_bytes(self.encode() + b"\n")


class _Envelope(msgspec.Struct, Generic[_T], frozen=True, kw_only=True, forbid_unknown_fields=True):
    artefact: _T
    sha256: str
