"""Who may do what at the hub."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Role"]


class Role(StrEnum):
    """Role of an API key."""

    OFFICER = "officer"  # a drug-safety officer: reads SDRs, validates, refutes, closes
    REGULATOR = "regulator"  # also confirms and reopens
    SITE = "site"  # a site's gate: sends releases, reads the protocol; nothing else
    AGGREGATOR = "aggregator"  # of the secure sum: sends its shares of sums, reads accepted sets and the protocol
    ADMIN = "admin"  # keys, subscriptions, status; decides nothing about an SDR
