"""A record that rightly becomes no case: counted by its reason, not kept."""

from __future__ import annotations

from cases import CaseDraft, KelseyError

__all__ = ["Ignored"]


class Ignored(KelseyError):
    """Raised by a reader for a record that is none of ours to count.

    Parameters
    ----------
    reason
        Stable reason code, one of `cases.IgnoreReason`.
    retraction
        The nullified draft that takes back an earlier version of the same record, where one was counted: an event
        that turns out to be a near miss, or whose drug turns out not to have been given, must not stay counted.
        None where there can be no earlier version.
    """

    code = "ignored"

    def __init__(self, reason: str, *, retraction: CaseDraft | None = None) -> None:
        super().__init__(f"record ignored: {reason}")
        self.reason = reason
        self.retraction = retraction
