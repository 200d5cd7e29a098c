"""How much disk an aggregator needs until its era ends; docs/aggregator.md says what it keeps, and why."""

from __future__ import annotations

from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum.site_share import maximum_share_bytes
from privacy.secure_sum.sum_share import maximum_sum_bytes

__all__ = ["epoch_bytes", "storage_bytes"]

_WORD_BYTES = 8
_LEAST_BYTES = 1 << 30


def epoch_bytes(protocol: SurveillanceProtocol, *, with_database: bool) -> int:
    """Most bytes that an epoch leaves for good.

    Its sealed message in the ledger; `with_database` also the sums of increments and of noise, where the database is a
    file on the same disk.
    """
    words = 2 * protocol.layout.length
    return maximum_sum_bytes(protocol) + (_WORD_BYTES * words if with_database else 0)


def storage_bytes(protocol: SurveillanceProtocol, *, epochs: int, sites: int, with_database: bool) -> int:
    """Most bytes that `epochs` more epochs need, at least 1 GiB.

    Besides what each leaves, one epoch is under way: a share of each site arrives as a file, and waits in the database,
    whose journal (SQLite's write-ahead log) holds shares and sums once more when they are agreed on.
    """
    shares = sites * maximum_share_bytes(protocol) * (3 if with_database else 1)
    return max((epochs + 1) * epoch_bytes(protocol, with_database=with_database) + shares, _LEAST_BYTES)
