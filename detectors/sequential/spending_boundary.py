"""Alpha spending, exact for counts: for each look, of whatever size, the least count that may signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, pdtrc, xlogy

from cases import ParameterError
from detectors.sequential._crossing import poisson
from detectors.sequential._search import check_design
from detectors.sequential.spending_function import SpendingFunction

__all__ = ["SpendingBoundary", "SpendingLook"]

_LARGEST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLook:
    """What one look asks for and costs; both shares of alpha are cumulated over the looks so far."""

    size: float
    """Events expected so far (Poisson), or events so far of both groups (binomial)."""
    signal_count: int | None
    """Events, cumulated, from which on the look signals; None where no count may."""
    alpha_allowed: float
    """What the spending function allows to have been spent."""
    alpha_spent: float
    """Exact risk of a false signal so far; never above what is allowed."""


class SpendingBoundary:
    """Counts that signal, look after look, for looks whose sizes need no plan.

    The chance of each count that has not signalled is carried from look to look, so that the risk of each is exact.
    What a look cannot spend, as counts are whole numbers, is left to later ones.

    Parameters
    ----------
    alpha
        Risk of a false signal over the whole surveillance, in (0, 1).
    length
        Size at which all of it may have been spent, in (0, 10000]; a look beyond it spends what is left.
    spending
        What may be spent by when.
    chance
        Share of the exposed among events of both groups, in (0, 1), for the binomial test; None for Poisson counts.
    minimum_events
        No signal with fewer events.

    Notes
    -----
    The risk is exact as long as the sizes do not follow the counts: who looks sooner because events came spends more
    than is said. Use an e-process then.

    Examples
    --------
    >>> boundary = SpendingBoundary(alpha=0.05, length=17, spending=SpendingFunction(family="pocock"))
    >>> [boundary.look(size).signal_count for size in (5, 6, 6)]
    [11, 19, 26]
    >>> boundary.last.alpha_spent <= 0.05
    True
    """

    def __init__(
        self, *, alpha: float, length: float, spending: SpendingFunction, chance: float | None = None,
        minimum_events: int = 1,
    ) -> None:  # fmt: skip
        check_design(alpha=alpha, length=length, minimum_events=minimum_events, delay=0)
        if not (chance is None or 0 < chance < 1):
            raise ParameterError(f"chance must lie in (0, 1), not {chance!r}")
        self.alpha, self.length, self.spending = alpha, length, spending
        self.chance, self.minimum_events = chance, minimum_events
        self._alive = np.ones(1)  # chance of each count without a signal so far
        self._sizes: list[float] = []
        self.last = SpendingLook(size=0.0, signal_count=None, alpha_allowed=0.0, alpha_spent=0.0)

    @property
    def sizes(self) -> tuple[float, ...]:
        """What each look so far added."""
        return tuple(self._sizes)

    def check_size(self, size: float) -> None:
        """Raise `ParameterError` for a size that no look can add."""
        if not 0 <= size < np.inf:
            raise ParameterError(f"size of a look must be finite and at least 0, not {size!r}")
        if not (self.chance is None or size == int(size)):
            raise ParameterError(f"size of a look must be a whole number of events, not {size!r}")
        if not self.last.size + size <= _LARGEST:
            raise ParameterError(f"looks must add up to at most {_LARGEST}, not to {self.last.size + size:g}")

    def look(self, size: float) -> SpendingLook:
        """Look after `size` more expected events (Poisson) or events (binomial, a whole number).

        Raises `ParameterError`, and changes nothing, as `check_size`.
        """
        self.check_size(size)
        added, beyond = self._added(float(size))
        alive = np.convolve(self._alive, added)
        total = self.last.size + float(size)
        is_over = total >= self.length * (1 - 1e-9)
        allowed = self.spending.spent(1.0 if is_over else total / self.length, alpha=self.alpha)
        # risk[i]: that of signalling from i events on
        risk = np.append(np.cumsum(alive[::-1])[::-1], 0.0) + beyond * float(self._alive.sum())
        bearable = np.flatnonzero(self.last.alpha_spent + risk <= allowed)
        limit = max(int(bearable[0]), self.minimum_events) if len(bearable) else None
        if limit is not None and self.chance is not None and limit >= len(alive):
            limit = None  # more than all events
        spent = 0.0 if limit is None else float(risk[min(limit, len(alive))])
        self._alive = alive if limit is None else alive[:limit]
        self._sizes.append(float(size))
        self.last = SpendingLook(
            size=total, signal_count=limit, alpha_allowed=allowed, alpha_spent=self.last.alpha_spent + spent
        )
        return self.last

    def _added(self, size: float) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], float]:
        """Chances of the counts that a look adds, and of more than those."""
        if self.chance is None:
            most = int(size + 12 * np.sqrt(size + 1) + 40)
            return poisson(size, most), float(pdtrc(most - 1, size))
        count = np.arange(int(size) + 1)
        ways = gammaln(size + 1) - gammaln(count + 1) - gammaln(size - count + 1)
        return np.exp(ways + xlogy(count, self.chance) + (size - count) * np.log1p(-self.chance)), 0.0
