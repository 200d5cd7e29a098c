"""What an aggregator says of itself, for whoever wants to know whether both mean the same federation."""

from __future__ import annotations

from datetime import datetime

import msgspec

from privacy.secure_sum.site_share import Role

__all__ = ["Introduction"]


class Introduction(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of ``GET /v1/introduction``. Nothing is proven by it: it finds mistakes, not liars.

    Parameters
    ----------
    role
        Leader or helper.
    public_key
        Of its signing key, 64 hexadecimal digits.
    protocol_hash, era
        Of the protocol it works under.
    now
        Its clock, with a time zone.
    """

    role: Role
    public_key: str
    protocol_hash: str
    era: str
    now: datetime
