"""What a hub or an aggregator says when it refuses: the code of its problem document (RFC 9457)."""

from __future__ import annotations

import httpx
import msgspec

__all__ = ["reason_of"]

_LONGEST_CODE = 64


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""


def reason_of(answer: httpx.Response) -> str:
    """The stable code of a refusal; the HTTP status where there is none, or something that is no code."""
    try:
        reason = msgspec.json.decode(answer.content, type=_Problem).code
    except msgspec.DecodeError:
        reason = ""
    return reason if reason.isascii() and 0 < len(reason) <= _LONGEST_CODE else f"HTTP {answer.status_code}"
