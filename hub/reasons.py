"""Why the hub refuses: closed lists of stable codes, shared by answers, metrics and tables. Added to, never changed."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["RefusalReason"]


class RefusalReason(StrEnum):
    """A release that was not taken in."""

    OVERSIZED = "oversized"
    INVALID_FORMAT = "invalid-format"  # not a release of the known schema
    UNKNOWN_SITE = "unknown-site"  # no key is registered for it
    SITE_MISMATCH = "site-mismatch"  # sent with another site's API key
    BAD_SIGNATURE = "bad-signature"
    WRONG_PROTOCOL = "wrong-protocol"
    WRONG_ERA = "wrong-era"
    EPOCH_OUT_OF_RANGE = "epoch-out-of-range"
    EPOCH_ORDER = "epoch-order"  # the next sequence number, but not a later epoch
    SEQUENCE_GAP = "sequence-gap"  # an earlier release of the site is missing
    CONFLICT = "conflict"  # other bytes for a sequence number or epoch the hub already has

    @property
    def http_status(self) -> int:
        """Status the API answers with."""
        return _HTTP_STATUS.get(self, 422)

    @property
    def hint(self) -> str:
        """The way out, in one line."""
        return _HINTS[self]


_HTTP_STATUS = {
    RefusalReason.OVERSIZED: 413,
    RefusalReason.UNKNOWN_SITE: 403,
    RefusalReason.SITE_MISMATCH: 403,
    RefusalReason.BAD_SIGNATURE: 403,
    RefusalReason.WRONG_PROTOCOL: 409,
    RefusalReason.WRONG_ERA: 409,
    RefusalReason.EPOCH_ORDER: 409,
    RefusalReason.SEQUENCE_GAP: 409,
    RefusalReason.CONFLICT: 409,
}

_HINTS = {
    RefusalReason.OVERSIZED: "a release of this protocol is smaller; check what is being sent",
    RefusalReason.INVALID_FORMAT: "send the sealed line exactly as the gate stored it",
    RefusalReason.UNKNOWN_SITE: "register the site's public key in hub.toml",
    RefusalReason.SITE_MISMATCH: "use the API key that belongs to the releasing site",
    RefusalReason.BAD_SIGNATURE: "the site's signing key is not the one registered at the hub",
    RefusalReason.WRONG_PROTOCOL: "GET /v1/protocol and let the site accept it, or update the hub",
    RefusalReason.WRONG_ERA: "the era of the release is not the one the hub's protocol describes",
    RefusalReason.EPOCH_OUT_OF_RANGE: "the protocol's calendar has no such epoch",
    RefusalReason.EPOCH_ORDER: "epochs are released in order; a sealed epoch is sent again unchanged",
    RefusalReason.SEQUENCE_GAP: "send the site's earlier releases first",
    RefusalReason.CONFLICT: "a sealed release never changes; find out which process sealed it twice",
}
