"""Maximised sequential probability ratio tests: exact boundaries for Poisson and binomial counts.

The boundary is on the log likelihood ratio of the observed against the null rate. Approximations in use are up to a
third too high, which spends half of the risk that was allowed; here the chance of crossing is added up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, lambertw

from cases import ParameterError
from detectors.sequential._crossing import moments, survivors
from detectors.sequential._search import check_design, check_groups, least_attainable, least_continuous
from detectors.sequential._statistic import TIE, binomial_ratio, poisson_ratio
from detectors.sequential.critical_value import CriticalValue

__all__ = ["binomial_max_sprt", "poisson_max_sprt"]

_Floats = NDArray[np.float64]


def _continuous_risk(value: float, *, length: float, minimum_events: int, delay: float) -> float:
    """Chance of a false signal if each event is looked at as it comes."""
    size = int(length + 12 * np.sqrt(length + 1) + 6 * value + minimum_events + 20)
    count = np.arange(minimum_events, size, dtype=np.float64)
    # the largest expectation at which the count still reaches the boundary: x - 1 - ln x = value / count, x = E / count
    branch = lambertw(-np.exp(-1 - value / count))  # type: ignore[call-overload]  # the stub knows no real array
    latest: _Floats = -count * np.real(branch)
    times, limits = moments(latest, count, delay=delay, end=length)
    return 1 - float(survivors(times, limits).sum())


def poisson_max_sprt(
    *,
    alpha: float,
    length: float,
    minimum_events: int = 1,
    delay: float = 0.0,
    groups: Sequence[float] | None = None,
) -> CriticalValue:
    r"""Boundary of the Poisson test, on :math:`E - c + c \ln (c / E)` for a count c above its expectation E.

    Parameters
    ----------
    alpha
        Risk of a false signal over the whole surveillance, in (0, 1).
    length
        Expected events under the null at the planned end, in (0, 10000].
    minimum_events
        No signal with fewer events.
    delay
        No signal before so many events were expected, in [0, length).
    groups
        Expected events between looks, which sum to `length`; by default every event is looked at as it comes. The
        count takes few values at a look, so that the risk spent is then mostly below `alpha`.

    Raises
    ------
    ParameterError
        A parameter outside its range; groups that do not sum to the length; a design that cannot signal.

    Notes
    -----
    The expectation must come from before the surveillance, never from the counts under test.

    Examples
    --------
    >>> round(poisson_max_sprt(alpha=0.05, length=20).critical_value, 6)
    3.628123

    References
    ----------
    Kulldorff M et al. (2011), Sequential Analysis 30:58-78, doi:10.1080/07474946.2011.539924
    """
    check_design(alpha=alpha, length=length, minimum_events=minimum_events, delay=delay)
    looks = None if groups is None else check_groups(groups, length)
    reached = float(gammainc(minimum_events, length))  # chance of the minimum by the end
    if minimum_events > length and reached <= alpha:  # then the minimum alone decides
        least = float(poisson_ratio(np.array([float(minimum_events)]), np.array([float(length)]))[0])
        return CriticalValue(critical_value=least, alpha=alpha, alpha_spent=reached)
    if looks is None:
        return least_continuous(
            lambda value: _continuous_risk(value, length=length, minimum_events=minimum_events, delay=delay),
            alpha=alpha,
        )
    size = int(length + 12 * np.sqrt(length + 1) + minimum_events + 40)
    count = np.arange(size, dtype=np.float64)
    ratio = poisson_ratio(count[None, :], looks[:, None])
    ratio[:, :minimum_events] = 0
    ratio[looks < delay - TIE] = 0

    def risk(value: float) -> float:
        crossed = ratio >= value - TIE
        limits = np.where(crossed.any(axis=1), crossed.argmax(axis=1), size)
        return 1 - float(survivors(looks, limits).sum())

    return least_attainable(risk, ratio[ratio > 0], alpha=alpha)


def binomial_max_sprt(
    *,
    alpha: float,
    length: int,
    ratio: float = 1.0,
    minimum_events: int = 1,
    delay: float = 0.0,
    groups: Sequence[float] | None = None,
) -> CriticalValue:
    """Boundary of the binomial test: of n events, how many fell to the exposed rather than to the comparison.

    Parameters
    ----------
    alpha
        Risk of a false signal over the whole surveillance, in (0, 1).
    length
        Events, exposed and comparison together, at the planned end; a whole number.
    ratio
        Comparison time for each unit of exposed time, above 0: an event is exposed with chance ``1 / (1 + ratio)``.
    minimum_events
        No signal with fewer exposed events.
    delay
        No signal before so many events, in [0, length).
    groups
        Events between looks, whole numbers that sum to `length`; by default a look at every event.

    Raises
    ------
    ParameterError
        As `poisson_max_sprt`.

    Examples
    --------
    >>> found = binomial_max_sprt(alpha=0.05, length=50)
    >>> 0.03 < found.alpha_spent <= 0.05
    True

    References
    ----------
    Kulldorff M et al. (2011), Sequential Analysis 30:58-78, doi:10.1080/07474946.2011.539924
    """
    check_design(alpha=alpha, length=length, minimum_events=minimum_events, delay=delay)
    if not 0 < ratio < np.inf:
        raise ParameterError(f"ratio must be finite and above 0, not {ratio!r}")
    if length != int(length):
        raise ParameterError(f"length must be a whole number of events, not {length!r}")
    looks = check_groups(groups, length) if groups is not None else np.arange(1.0, length + 1)
    if (looks != np.rint(looks)).any():
        raise ParameterError(f"groups must be whole numbers of events, not {groups!r}")
    chance = 1 / (1 + ratio)
    count = np.arange(int(length) + 1, dtype=np.float64)[None, :]
    total = looks[:, None]
    statistic = binomial_ratio(count, total, chance)
    statistic[(count > total) | (count < minimum_events) | (total < delay)] = 0
    steps = np.diff(looks, prepend=0).astype(np.int64)

    def risk(value: float) -> float:
        state, spent = np.zeros(int(length) + 1), 0.0
        state[0] = 1
        for step, row in zip(steps.tolist(), statistic, strict=True):
            for _ in range(step):
                moved = state * (1 - chance)
                moved[1:] += state[:-1] * chance
                state = moved
            crossed = row >= value - TIE
            spent += float(state[crossed].sum())
            state[crossed] = 0
        return spent

    return least_attainable(risk, statistic[statistic > 0], alpha=alpha)
