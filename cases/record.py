"""What connectors hand on: raw records, and what intake keeps of those it cannot use.

Both hold patient data. They live in topics and files of the site with short retention, and nowhere else.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime

import msgspec

from cases.errors import IntegrityError, ParameterError

__all__ = [
    "DeadLetter",
    "RawRecord",
    "decode_dead_letter",
    "decode_raw_chunk",
    "encode_dead_letter",
    "encode_raw_chunk",
]


class RawRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record as its source gave it.

    Parameters
    ----------
    source
        Name of the source as the site configured it.
    record_id
        The source's id of the record (for FHIR the logical id of the AdverseEvent), "" where it has none.
    format
        Which reader understands the payload: ``fhir`` (an AdverseEvent, or a collection Bundle whose first
        entry is the AdverseEvent and whose others are what it refers to) or ``vaers``.
    payload
        The bytes, unchanged; empty for a deletion.
    received_at
        When the site received it; timezone-aware.
    is_deleted
        The source says the record is gone.
    version_id, updated_at
        The source's version, where the payload does not carry it (deletions).
    fault
        A `DeadLetterReason` found before the record could be read (a truncated file, bytes that are not UTF-8).
    position
        File and line, or server and page: what an engineer needs to find it again.
    """

    source: str
    record_id: str
    format: str
    payload: bytes
    received_at: datetime
    is_deleted: bool = False
    version_id: str = ""
    updated_at: datetime | None = None
    fault: str = ""
    position: str = ""
    schema_version: int = 1

    def __post_init__(self) -> None:
        if not self.source:
            raise ParameterError("source must not be empty")
        if self.received_at.tzinfo is None:
            raise ParameterError("received_at must carry a time zone")


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record that could not become a case, why, and the record itself.

    `payload` is the text where it is UTF-8, else base64, as `payload_encoding` says. `detail` names element
    paths and types only.
    """

    reason: str
    detail: str
    source: str
    record_id: str
    format: str
    received_at: datetime
    payload: str
    payload_encoding: str = "utf-8"
    position: str = ""
    schema_version: int = 1

    @classmethod
    def of(cls, record: RawRecord, *, reason: str, detail: str) -> DeadLetter:
        """The dead letter of `record`."""
        try:
            payload, encoding = record.payload.decode(), "utf-8"
        except UnicodeDecodeError:
            payload, encoding = base64.b64encode(record.payload).decode(), "base64"
        return cls(
            reason=reason,
            detail=detail,
            source=record.source,
            record_id=record.record_id,
            format=record.format,
            received_at=record.received_at,
            payload=payload,
            payload_encoding=encoding,
            position=record.position,
        )


_chunk_encoder = msgspec.msgpack.Encoder()
_chunk_decoder = msgspec.msgpack.Decoder(tuple[RawRecord, ...])
_letter_encoder = msgspec.json.Encoder()
_letter_decoder = msgspec.json.Decoder(DeadLetter)


def encode_raw_chunk(records: Sequence[RawRecord]) -> bytes:
    """One raw-topic message: a chunk of records, in order, as MessagePack."""
    return _chunk_encoder.encode(tuple(records))


def decode_raw_chunk(data: bytes) -> tuple[RawRecord, ...]:
    """The records of a raw-topic message; raises `IntegrityError` where it is none."""
    try:
        return _chunk_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"not a chunk of raw records: {error}") from error


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """One line of UTF-8 JSON without a newline."""
    return _letter_encoder.encode(letter)


def decode_dead_letter(data: bytes) -> DeadLetter:
    """The dead letter in `data`; raises `IntegrityError` where it is none."""
    try:
        return _letter_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"not a dead letter: {error}") from error
