"""The record of all releases as one number: each is hashed together with the one taken in before it."""

from __future__ import annotations

import hashlib
import re

import msgspec

from cases import ParameterError

__all__ = ["RecordHead"]


class RecordHead(msgspec.Struct, frozen=True):
    """How many releases a hub has taken in, and the hash that stands for all of them and their order.

    A head that was written down elsewhere holds the hub to what it had then: no release before it can be changed,
    exchanged, left out or added without giving another hash.

    Examples
    --------
    >>> head = RecordHead().after(site="north", era="2026", epoch=0, digest="ab" * 32)
    >>> head.number, RecordHead.parse(str(head)) == head
    (1, True)
    """

    number: int = 0
    chain: str = "0" * 64

    def after(self, *, site: str, era: str, epoch: int, digest: str) -> RecordHead:
        """The head when one more release is in; `digest` is that of its signed bytes."""
        text = "\n".join(("kelsey.record/1", self.chain, site, era, str(epoch), digest))
        return RecordHead(self.number + 1, hashlib.sha256(text.encode()).hexdigest())

    @classmethod
    def parse(cls, text: str) -> RecordHead:
        """Inverse of `str`: ``number:hash``; raises `ParameterError`."""
        if not re.fullmatch(r"\d{1,18}:[0-9a-f]{64}", text):
            raise ParameterError(f"a head of the record is number:hash, not {text!r}")
        number, _, chain = text.partition(":")
        return cls(int(number), chain)

    def __str__(self) -> str:
        return f"{self.number}:{self.chain}"
