"""The one place where cases become JSON and JSON becomes cases.

Unknown fields are refused: a case of a newer schema must not be half read.
"""

from __future__ import annotations

import msgspec

from cases.case import Case
from cases.errors import IntegrityError

__all__ = ["decode_case", "encode_case"]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Case)


def encode_case(case: Case) -> bytes:
    """One line of UTF-8 JSON without a newline; equal cases give equal bytes."""
    return _encoder.encode(case)


def decode_case(data: bytes) -> Case:
    """The case in `data`; raises `IntegrityError` where it is not a case of this schema."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:  # its text names types and paths, never values
        raise IntegrityError(f"not a case of schema version {Case.SCHEMA_VERSION}: {error}") from error
