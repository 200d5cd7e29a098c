"""Why a message of the secure sum is refused."""

from __future__ import annotations

from enum import StrEnum

from cases.errors import IntegrityError
from privacy.protocol import SurveillanceProtocol

__all__ = ["ShareError", "ShareFault", "require_place"]


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


def require_place(protocol_hash: str, era: str, epoch: int, *, protocol: SurveillanceProtocol) -> None:
    """Raise `ShareError` (protocol, era, epoch) unless a message was made for an epoch of this protocol."""
    if protocol_hash != protocol.hash:
        raise ShareError(ShareFault.PROTOCOL, "made under another protocol", hint=f"here it is {protocol.hash}")
    if era != protocol.era:
        raise ShareError(ShareFault.ERA, "made for another era than its protocol's")
    if not epoch < protocol.calendar.count:
        raise ShareError(ShareFault.EPOCH, f"epoch lies outside the calendar of {protocol.calendar.count} epochs")
