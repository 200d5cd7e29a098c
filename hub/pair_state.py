"""What is known of a pair under a rule: a signal, no signal, or too little to say; and what could have been seen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["DETECTION_Z", "NOTABLE_RATIO", "PairState", "detectable_excess", "quiet_states"]

DETECTION_Z = 4.1
"""Standard deviations above expectation at which `noise-aware-z` raises a pair."""
NOTABLE_RATIO = 2.0
"""Observed over expected that a pair without signal must be below, with the level's confidence."""


class PairState(StrEnum):
    """What a look says of a pair under a rule.

    `NO_SIGNAL` is a finding: the interval of observed over expected excludes `NOTABLE_RATIO`. A pair that is neither
    raised nor excluded so has told too little; `detectable_excess` says what it would have taken.
    """

    SIGNAL = "signal"
    NO_SIGNAL = "no-signal"
    TOO_LITTLE_INFORMATION = "too-little-information"

    @classmethod
    def of(cls, *, is_raised: bool, is_quiet: bool) -> PairState:
        """State of a pair that a rule raises or not, and that `quiet_states` finds quiet or not."""
        if is_raised:
            return cls.SIGNAL
        return cls.NO_SIGNAL if is_quiet else cls.TOO_LITTLE_INFORMATION


def detectable_excess(expected: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Smallest excess over the expected count that stands `DETECTION_Z` standard deviations above it.

    The root of :math:`x = z\sqrt{E + x + v}`, with the noise variance v of count and expected count.

    Examples
    --------
    Ten expected reports, without noise and with noise of standard deviation 9.

    >>> detectable_excess(np.array([10.0, 10.0]), np.array([0.0, 81.0])).round(1)
    array([23.9, 48.4])
    """
    z2 = DETECTION_Z * DETECTION_Z
    return np.asarray(0.5 * z2 + np.sqrt(0.25 * z2 * z2 + z2 * (expected + variance)))


def quiet_states(scores: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Where a pair that no rule raises is `NO_SIGNAL`; elsewhere it is `TOO_LITTLE_INFORMATION`."""
    return np.asarray(scores["rrr_upper"] < NOTABLE_RATIO)  # NaN is not below it
