"""A record that rightly becomes no case: counted by its reason, not kept."""

from __future__ import annotations

from cases import KelseyError

__all__ = ["Ignored"]


class Ignored(KelseyError):
    """Raised by a reader for a record that is none of ours to count.

    Parameters
    ----------
    reason
        Stable reason code, one of `cases.IgnoreReason`.
    """

    code = "ignored"

    def __init__(self, reason: str) -> None:
        super().__init__(f"record ignored: {reason}")
        self.reason = reason
