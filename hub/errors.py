"""Errors of the hub, below the one root of Kelsey."""

from __future__ import annotations

from cases import KelseyError, ParameterError
from hub.reasons import RefusalReason

__all__ = ["ReleaseRefused", "TransitionRefused", "UnknownIdError", "WebhookAddressRefused"]


class ReleaseRefused(KelseyError, ValueError):
    """A release the hub did not take in; nothing of it was stored.

    Parameters
    ----------
    reason
        Stable code.
    detail
        What was found, never content of the release.
    """

    code = "release-refused"

    def __init__(self, reason: RefusalReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason), hint=reason.hint)
        self.reason = reason
        self.detail = detail


class TransitionRefused(KelseyError, ValueError):
    """A change of state the lifecycle does not know, the role may not make, or another was faster with."""

    code = "transition-refused"


class UnknownIdError(KelseyError, LookupError):
    """An SDR, subscription or key that is not there."""

    code = "unknown-id"


class WebhookAddressRefused(ParameterError):
    """A webhook address the hub must not call: not public, or not resolvable."""

    code = "webhook-address-refused"
