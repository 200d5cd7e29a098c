"""MaxSPRT that runs: fed period by period against a prospective expectation, at the exact boundary of its design."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from detectors.sequential._running_max_sprt import RunningMaxSprt
from detectors.sequential._statistic import binomial_ratio, poisson_ratio
from detectors.sequential._surveillance import Surveillance, check_events, check_share
from detectors.sequential.max_sprt import binomial_max_sprt, poisson_max_sprt
from detectors.sequential.prospective_expectation import ProspectiveExpectation

__all__ = ["BinomialMaxSprt", "PoissonMaxSprt"]


class PoissonMaxSprt(RunningMaxSprt):
    """Poisson MaxSPRT against an expectation taken as known; parameters as `poisson_max_sprt`.

    With `groups` it looks only where the expected count reaches a planned look, and refuses a period that would pass
    one. A period that ends beyond `length` is counted but no longer tested, as nothing says which of its events came
    before the end; split it there.

    Examples
    --------
    >>> from datetime import date
    >>> history = ProspectiveExpectation.from_history(events=40, exposure=20_000, last_day=date(2024, 12, 31))
    >>> test = PoissonMaxSprt(expectation=history, alpha=0.05, length=20)
    >>> for month, count in enumerate([2, 4, 9], start=1):
    ...     status = test.update(date(2025, month, 28), observed=count, exposure=900)
    >>> round(status.expected, 6), round(status.llr, 3), status.signalled_on, round(status.remaining, 6)
    (5.4, 5.725, datetime.date(2025, 3, 28), 14.6)

    References
    ----------
    Kulldorff M et al. (2011), Sequential Analysis 30:58-78, doi:10.1080/07474946.2011.539924
    """

    schema: ClassVar[str] = "kelsey.poisson-max-sprt"

    def __init__(
        self, *, expectation: ProspectiveExpectation, alpha: float, length: float, minimum_events: int = 1,
        delay: float = 0.0, groups: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        boundary = poisson_max_sprt(
            alpha=alpha, length=length, minimum_events=minimum_events, delay=delay, groups=groups
        )
        super().__init__(
            expectation, boundary, length=length, minimum_events=minimum_events, delay=delay, groups=groups
        )

    def _size(self, counts: Surveillance) -> float:
        return counts.expected

    def _ratio(self, counts: Surveillance) -> float:
        return float(poisson_ratio(counts.observed, counts.expected))


class BinomialMaxSprt(RunningMaxSprt):
    """Binomial MaxSPRT: exposure counts the events of both groups, `observed` those of the exposed.

    The expectation's rate is the share that should fall on the exposed, 1 / (1 + z) with z comparison time for each
    unit of exposed time. `length`, `delay` and `groups` are in events of both groups; else as `binomial_max_sprt`.

    Examples
    --------
    >>> from datetime import date
    >>> matched = ProspectiveExpectation.from_rate(0.25, source="three controls each", last_day=date(2024, 12, 31))
    >>> test = BinomialMaxSprt(expectation=matched, alpha=0.05, length=60)
    >>> test.update(date(2025, 1, 31), observed=2, exposure=7).is_signal
    False
    >>> test.update(date(2025, 2, 28), observed=8, exposure=10).signalled_on
    datetime.date(2025, 2, 28)
    """

    schema: ClassVar[str] = "kelsey.binomial-max-sprt"

    def __init__(
        self, *, expectation: ProspectiveExpectation, alpha: float, length: int, minimum_events: int = 1,
        delay: float = 0.0, groups: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        check_share(expectation)
        ratio = (1 - expectation.rate) / expectation.rate
        boundary = binomial_max_sprt(
            alpha=alpha, length=length, ratio=ratio, minimum_events=minimum_events, delay=delay, groups=groups
        )
        super().__init__(
            expectation, boundary, length=length, minimum_events=minimum_events, delay=delay, groups=groups
        )

    def _check(self, before: Surveillance, counts: Surveillance) -> None:
        check_events(before, counts)

    def _size(self, counts: Surveillance) -> float:
        return counts.exposure

    def _ratio(self, counts: Surveillance) -> float:
        return float(binomial_ratio(counts.observed, counts.exposure, self.expectation.rate))
