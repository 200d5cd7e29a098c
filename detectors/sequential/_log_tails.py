"""Logarithms of upper tails, also where the tail itself is smaller than a float can be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc, betaln, gammaincc, gammaln

__all__ = ["log_beta_tail", "log_gamma_tail"]

_Floats = NDArray[np.float64]
_SMALLEST = 1e-200  # below it the library's tails lose digits on their way to 0
_TINY = 1e-300
_MOST_TERMS = 5000


def _fraction(term: Callable[[int], tuple[_Floats, _Floats]], start: _Floats) -> _Floats:
    """Continued fraction ``1 / (start + n1 / (d1 + n2 / (d2 + ...)))`` with ``term(i)`` giving ``ni`` and ``di``.

    Evaluated forwards by Lentz's method as modified by Thompson and Barnett, until no value changes any more.
    """
    above, below = np.full_like(start, 1 / _TINY), 1 / np.where(start == 0, _TINY, start)
    value = below.copy()
    for number in range(1, _MOST_TERMS):
        n, d = term(number)
        below = 1 / (d + n * below)
        above = d + n / above
        change = above * below
        value *= change
        if (np.abs(change - 1) < 1e-15).all():
            break
    return value


def log_gamma_tail(shape: ArrayLike, at: ArrayLike) -> _Floats:
    """Logarithm of the chance that a gamma variable (rate 1) is above `at`, which is above 0."""
    s, x = np.broadcast_arrays(np.asarray(shape, dtype=np.float64), np.asarray(at, dtype=np.float64))
    tail = np.asarray(gammaincc(s, x))
    log = np.array(np.log(np.maximum(tail, _TINY)))
    deep = tail < _SMALLEST
    if deep.any():
        s, x = s[deep], x[deep]
        fraction = _fraction(lambda i: (-i * (i - s), x + 2 * i + 1 - s), x + 1 - s)
        log[deep] = s * np.log(x) - x - gammaln(s) + np.log(fraction)
    return log


def log_beta_tail(first: ArrayLike, second: ArrayLike, at: float) -> _Floats:
    """Logarithm of the chance that a beta variable is above `at`, in (0, 1)."""
    p, q = np.broadcast_arrays(np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64))
    tail = np.asarray(betaincc(p, q, at))
    log = np.array(np.log(np.maximum(tail, _TINY)))
    deep = tail < _SMALLEST
    if deep.any():
        p, q, x = p[deep], q[deep], 1 - at  # of the mirrored variable: its lower tail has the fraction

        def term(i: int) -> tuple[_Floats, _Floats]:
            half = i // 2
            if i % 2:
                n = -(q + half) * (q + p + half) * x / ((q + 2 * half) * (q + 2 * half + 1))
            else:
                n = half * (p - half) * x / ((q + 2 * half - 1) * (q + 2 * half))
            return n, np.ones_like(p)

        fraction = _fraction(term, np.ones_like(p))
        log[deep] = q * np.log1p(-at) + p * np.log(at) - np.log(q) - betaln(p, q) + np.log(fraction)
    return log
