"""MaxSPRT against a history that is itself a count: the exact boundary when the baseline's rate is uncertain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from cases import ParameterError
from detectors.sequential._crossing import moments, survivors
from detectors.sequential._search import check_design, least_continuous
from detectors.sequential._share import log_lower_share
from detectors.sequential.critical_value import CriticalValue

__all__ = ["conditional_log_likelihood_ratio", "conditional_max_sprt"]

_Floats = NDArray[np.float64]
_MOST_CASES = 1000


def conditional_log_likelihood_ratio(
    count: ArrayLike, exposure: ArrayLike, *, events: int, history_exposure: float
) -> _Floats:
    r"""Log likelihood ratio of a rate above that of the history, 0 where it is not above; shapes broadcast.

    :math:`k \ln \frac{k / P}{(c + k) / (V + P)} + c \ln \frac{c / V}{(c + k) / (V + P)}` with k events in exposure P
    after c `events` in `history_exposure` V.

    Examples
    --------
    >>> round(float(conditional_log_likelihood_ratio(8, 1.507, events=11, history_exposure=5.3415)), 2)
    1.91
    """
    k, exposed = np.broadcast_arrays(np.asarray(count, dtype=np.float64), np.asarray(exposure, dtype=np.float64))
    both = (events + k) / (history_exposure + exposed)
    is_excess = k * history_exposure > events * exposed
    safe = np.where(exposed > 0, exposed, 1.0)
    ratio = xlogy(k, np.where(k > 0, k, 1.0) / safe / both) + events * np.log(events / history_exposure / both)
    return np.where(is_excess, np.where(exposed > 0, ratio, np.inf), 0.0)


def _latest(count: _Floats, value: float, events: int) -> _Floats:
    """Largest ratio of surveillance to history at which each count still reaches the boundary."""
    log_share = log_lower_share(count, float(events), value)  # the share of surveillance in all the exposure
    ratio: _Floats = np.exp(log_share) / -np.expm1(log_share)
    return ratio


def _risk(latest: _Floats, count: _Floats, *, events: int, delay: float, end: float) -> float:
    """Chance that the boundary is reached by `end`, over all histories.

    Given the count at the end, events lie evenly over the surveillance whatever the rate is: one recursion at a rate
    of one's choice gives the chance of no crossing given that count, which is then negative binomial, as the exposure
    that the history took is gamma distributed.
    """
    times, limits = moments(latest, count, delay=delay, end=end)
    last = float(min(limits[-1], 600))  # any rate would do; this one neither overflows nor vanishes
    state = survivors(times * (last / end), limits)
    n = np.arange(len(state))
    weight = gammaln(events + n) - gammaln(events) - (events + n) * np.log1p(end) + n * np.log(end) - xlogy(n, last)
    return 1 - float(state @ np.exp(weight + last))


def conditional_max_sprt(
    *,
    alpha: float,
    events: int,
    cases: int | None = None,
    length_ratio: float | None = None,
    minimum_events: int = 1,
    delay_ratio: float = 0.0,
) -> CriticalValue:
    r"""Boundary of the conditional Poisson test, which looks at every event, on `conditional_log_likelihood_ratio`.

    Parameters
    ----------
    alpha
        Risk of a false signal over the whole surveillance, in (0, 1).
    events
        Events of the history, in [1, 10000].
    cases
        The surveillance ends with so many events, in [1, 1000]; either this or `length_ratio`.
    length_ratio
        The surveillance ends once its exposure is this multiple of the history's, above 0.
    minimum_events
        No signal with fewer events.
    delay_ratio
        No signal before the exposure is this multiple of the history's, at least 0; below `length_ratio`.

    Raises
    ------
    ParameterError
        A parameter outside its range, both ends or neither, more than 1,000 events to be followed.

    Notes
    -----
    Exact: the exposure that the history took for its events is integrated out, in closed form. With a long history the
    boundary is that of `poisson_max_sprt`, which is then the faster one.

    Examples
    --------
    >>> round(conditional_max_sprt(alpha=0.05, events=20, cases=20).critical_value, 6)
    3.312357

    References
    ----------
    Li L, Kulldorff M (2010), Statistics in Medicine 29:284-295, doi:10.1002/sim.3780
    """
    if not (1 <= events <= 10_000 and events == int(events)):
        raise ParameterError(f"events must be a whole number in [1, 10000], not {events!r}")
    if cases is not None and length_ratio is None:
        risk = _risk_by_cases(events, cases, minimum_events, delay_ratio)
        check_design(alpha=alpha, length=cases, minimum_events=minimum_events, delay=0)
    elif length_ratio is not None and cases is None:
        risk = _risk_by_exposure(events, length_ratio, minimum_events, delay_ratio)
        check_design(alpha=alpha, length=length_ratio, minimum_events=minimum_events, delay=delay_ratio)
    else:
        raise ParameterError("either cases or length_ratio must say where the surveillance ends, and not both")
    return least_continuous(risk, alpha=alpha)


def _risk_by_cases(events: int, cases: int, minimum_events: int, delay_ratio: float) -> Callable[[float], float]:
    """Risk of a boundary if the surveillance ends by events."""
    if not (1 <= cases <= _MOST_CASES and cases == int(cases)):
        raise ParameterError(f"cases must be a whole number in [1, {_MOST_CASES}], not {cases!r}")
    if not minimum_events <= cases:
        raise ParameterError(f"minimum_events must be at most cases = {cases}, not {minimum_events!r}")
    if not delay_ratio == 0:
        raise ParameterError(f"delay_ratio needs length_ratio; with cases it must be 0, not {delay_ratio!r}")

    def risk(value: float) -> float:
        count = np.arange(minimum_events, cases + 1, dtype=np.float64)
        latest = _latest(count, value, events)
        return _risk(latest, count, events=events, delay=0, end=float(latest[-1]))

    return risk


def _risk_by_exposure(
    events: int, length_ratio: float, minimum_events: int, delay_ratio: float
) -> Callable[[float], float]:
    """Risk of a boundary if the surveillance ends by exposure."""

    def risk(value: float) -> float:
        most = minimum_events + 16
        while True:
            count = np.arange(minimum_events, most, dtype=np.float64)
            latest = _latest(count, value, events)
            if latest[-1] >= length_ratio:
                return _risk(latest, count, events=events, delay=delay_ratio, end=length_ratio)
            if most > _MOST_CASES:
                raise ParameterError(
                    f"length_ratio = {length_ratio:g} after {events} events means more than {_MOST_CASES} events",
                    hint="end by cases, or use poisson_max_sprt",
                )
            most *= 2

    return risk
