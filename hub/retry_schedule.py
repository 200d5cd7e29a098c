"""When a webhook that failed is tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["ATTEMPTS", "next_delay_seconds", "retry_after_seconds"]

_HOUR = 3600.0
_DELAYS_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, _HOUR, 3 * _HOUR, 6 * _HOUR, *(12 * _HOUR,) * 5)
_LONGEST_SECONDS = 12 * _HOUR

ATTEMPTS = len(_DELAYS_SECONDS) + 1  # over about three days


def next_delay_seconds(attempt: int, *, jitter: float, retry_after: float | None = None) -> float | None:
    """Time from the failure of an attempt (the first is 1) to the next; None when it was the last.

    Parameters
    ----------
    jitter
        Uniform in [0, 1): spreads the delay over 80 to 120 % of its nominal value, so that subscribers that failed
        together do not come back together.
    retry_after
        What the receiver asked for; a longer wait than ours is kept, up to 12 hours.
    """
    if attempt > len(_DELAYS_SECONDS):
        return None
    delay = _DELAYS_SECONDS[attempt - 1] * (0.8 + 0.4 * jitter)
    return max(delay, min(retry_after or 0.0, _LONGEST_SECONDS))


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """What a Retry-After header asks for: seconds or an HTTP date; None where it says nothing usable."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - now).total_seconds())
