"""A signal of disproportionate reporting: a statistic that crossed a rule, and where people stand with it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import date, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from hub.lifecycle import SdrState

__all__ = ["PairStatistic", "Sdr", "SdrTransition", "sdr_id"]


class PairStatistic(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of one pair; None where there is too little information or no upper bound.

    `n` is the noisy count of bounded contributions (it may be negative), `n_sd` the standard deviation of its noise;
    `q_value` is the least false discovery rate at which the pair is called, `detectable_excess` how many reports above
    `expected` it would have taken to be seen.
    """

    n: float | None = None
    n_sd: float | None = None
    expected: float | None = None
    prr: float | None = None
    prr_lower: float | None = None
    prr_upper: float | None = None
    ror: float | None = None
    ror_lower: float | None = None
    ror_upper: float | None = None
    ic: float | None = None
    ic_lower: float | None = None
    ic_upper: float | None = None
    ebgm: float | None = None
    eb05: float | None = None
    eb95: float | None = None
    z: float | None = None
    q_value: float | None = None
    detectable_excess: float | None = None

    @classmethod
    def of(cls, scores: Mapping[str, NDArray[np.float64]], cell: int) -> PairStatistic:
        """Measures of one cell of `hub.statistics.noisy_scores`."""
        values = {name: float(scores[name][cell]) for name in cls.__struct_fields__}
        return cls(**{name: value for name, value in values.items() if math.isfinite(value)})


class Sdr(msgspec.Struct, frozen=True, kw_only=True):
    """One pair that crossed one rule in one era.

    Parameters
    ----------
    id
        Stable: made from era, drug, reaction and rule (`sdr_id`).
    first_epoch, first_date
        Epoch in which it was first raised, and that epoch's last day.
    last_epoch
        Latest epoch in which the rule held.
    statistic
        Its measures in `last_epoch`.
    """

    id: str
    drug: str
    reaction: str
    rule: str
    state: SdrState
    era: str
    first_epoch: int
    first_date: date
    last_epoch: int
    raised_at: datetime
    statistic: PairStatistic


class SdrTransition(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the life of an SDR: who, when, why. `from_state` is None for the first."""

    sdr_id: str
    sequence: int
    from_state: SdrState | None
    to_state: SdrState
    actor: str
    reason: str
    at: datetime


def sdr_id(*, era: str, drug: str, reaction: str, rule: str) -> str:
    """``sdr-`` and 20 hexadecimal digits; the same wherever and whenever the SDR is raised."""
    named = msgspec.json.encode([era, drug, reaction, rule])
    return "sdr-" + hashlib.sha256(named).hexdigest()[:20]
