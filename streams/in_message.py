"""A message as a worker sees it: where it lies, and its bytes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["InMessage"]


class InMessage(NamedTuple):
    """One message of one partition."""

    offset: int
    value: bytes
