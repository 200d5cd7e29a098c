"""Why a message of the secure sum is refused."""

from __future__ import annotations

from enum import StrEnum

from cases.errors import IntegrityError

__all__ = ["ShareError", "ShareFault"]


class ShareFault(StrEnum):
    """Stable codes."""

    MALFORMED = "malformed"
    SIGNATURE = "signature"
    PROTOCOL = "protocol"
    ERA = "era"
    EPOCH = "epoch"
    RECIPIENT = "recipient"
    LENGTH = "length"
    DIGEST = "digest"
    UNKNOWN_SITE = "unknown-site"
    EQUIVOCATION = "equivocation"
    CLOSED = "closed"
    COHORT = "cohort"
    DISAGREEMENT = "disagreement"


class ShareError(IntegrityError):
    """A message that is not acceptable; `reason` says why. Its text never repeats what the message holds."""

    code = "share"

    def __init__(self, reason: ShareFault, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
