"""Where sealed releases go: the one role towards the hub."""

from __future__ import annotations

from typing import Protocol

from cases import KelseyError
from privacy.ledger_entry import Published
from privacy.secure_sum import Acceptance

__all__ = ["AcceptanceSource", "PublishedSource", "ReleaseRejected", "ReleaseSink"]


class ReleaseRejected(KelseyError):
    """The hub will not take this release, now or later; a person has to look.

    Parameters
    ----------
    reason
        The hub's stable reason code, or the HTTP status.
    """

    code = "release-rejected"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the release was refused: {reason}",
            hint="compare protocol, site id and keys with the operator of the other side",
        )
        self.reason = reason


class ReleaseSink(Protocol):
    """Takes sealed lines, in order, until it has each of them.

    `send` returns when the other side has the line durably. It may be called again with the same bytes, at any time
    later, and must then do nothing. It raises `cases.ServiceError` where a later try can help, and `ReleaseRejected`
    where none will. The caller commits (marks the line as sent) only after it returned.
    """

    def send(self, line: bytes, /) -> None:
        """Deliver one line."""
        ...


class PublishedSource(Protocol):
    """Knows what the hub has of this site, in trust mode ``per-site``.

    Raises `cases.ServiceError` where it cannot know now.
    """

    def last_published(self) -> Published | None:
        """The newest release that the hub has in its era; None before the first."""
        ...

    def protocol_hash(self) -> str:
        """Hash of the protocol that the hub works under."""
        ...


class AcceptanceSource(Protocol):
    """Knows which sites the aggregators of a secure sum have agreed on.

    What it gives was signed by both. Raises `cases.ServiceError` where it cannot know now.
    """

    def acceptance(self, epoch: int, /) -> Acceptance | None:
        """The sites that are in an epoch; None while it is not agreed on."""
        ...

    def remind(self, agreed: Acceptance, /) -> None:
        """Show it, some time later, to the aggregators: they may have been put back from a backup."""
        ...
