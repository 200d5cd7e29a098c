"""Epoch parts: what a partition's pending wallet operations become when an epoch ends.

A part holds cells and sums of weights, no patients: the gate needs nothing else, so it gets nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from cases import IntegrityError, ParameterError
from privacy.epoch_vector import EpochVector

__all__ = ["EpochPart", "decode_part", "encode_part", "part_digest", "seal"]


class EpochPart(msgspec.Struct, frozen=True, kw_only=True):
    """Sealed operations of one partition.

    Parameters
    ----------
    era, protocol_hash
        Under which protocol the operations were charged.
    epoch
        In which epoch the part was sealed; it leaves in this one or, where it comes late, in the next that is open.
    partition, store_id, sequence
        Together the identity of the part; a store numbers its parts 1, 2, 3 ...
    body
        Sums of weights by cell, as `privacy.epoch_vector.EpochVector` encodes them.
    """

    era: str
    protocol_hash: str
    epoch: int
    partition: int
    store_id: str
    sequence: int
    body: bytes
    schema_version: int = 1

    def __post_init__(self) -> None:
        if self.schema_version != 1:
            raise ParameterError(f"schema_version must be 1, not {self.schema_version!r}")

    @property
    def vector(self) -> EpochVector:
        """The sums; raises `IntegrityError` where `body` is damaged."""
        return EpochVector.decode(self.body)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EpochPart)


def seal(
    operations: Iterable[tuple[int, int]],
    *,
    era: str,
    protocol_hash: str,
    epoch: int,
    partition: int,
    store_id: str,
    sequence: int,
) -> EpochPart:
    """The part made of `operations` ``(cell, signed weight)``."""
    return EpochPart(
        era=era,
        protocol_hash=protocol_hash,
        epoch=epoch,
        partition=partition,
        store_id=store_id,
        sequence=sequence,
        body=EpochVector.sum(operations).encode(),
    )


def encode_part(part: EpochPart) -> bytes:
    """One message of the epoch-parts topic; equal parts give equal bytes."""
    return _encoder.encode(part)


def decode_part(data: bytes) -> EpochPart:
    """The part in `data`; raises `IntegrityError` where it is none."""
    try:
        part = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"not an epoch part: {error}") from error
    _ = part.vector
    return part


def part_digest(part: EpochPart) -> str:
    """SHA-256 of the part, hexadecimal: tells a repeated part from another one under its number."""
    return hashlib.sha256(encode_part(part)).hexdigest()
