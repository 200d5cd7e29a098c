"""Means and quantiles of densities given at the points of a grid, with known tails below it.

The grid is finer towards its upper end, where a density in the logarithm of a ratio ends abruptly. Integrals up to a
point are by the trapezoidal rule with its end correction, a quantile is solved on the cubic between two points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["grid_summary", "places"]

_Floats = NDArray[np.float64]
_POINTS = 80
_FINER = 0.5  # how much finer, or coarser, than even the grid is at its ends
_STEP = 1 / (_POINTS - 1)
_NEWTON_STEPS = 5


def places() -> _Floats:
    """Where the points lie between 0 and 1."""
    return _place(np.linspace(0.0, 1.0, _POINTS))


def _place(unit: _Floats) -> _Floats:
    return np.asarray(unit * (1 + _FINER - _FINER * unit))


def grid_summary(
    grid: _Floats,
    density: _Floats,
    tails: tuple[_Floats, _Floats],
    powers: tuple[float, float],
    probabilities: Sequence[float],
) -> _Floats:
    """Logarithm of the mean, mean of the logarithm and logarithm of each quantile; shape (rows, 2 + quantiles).

    Parameters
    ----------
    grid
        Logarithms, ``low + (high - low) * places()``, shape (rows, points).
    density
        Of the logarithm, up to a factor a row.
    tails, powers
        Mass below the grid, of the densities that fall there with either power of the ratio, shape (rows, 1).
    """
    low, high = grid[:, :1], grid[:, -1:]
    span = high - low
    # from here on by the place in the grid, in steps of one point
    stretch = 1 + _FINER - 2 * _FINER * np.linspace(0.0, 1.0, _POINTS)
    first = powers[0] ** 2 * tails[0] + powers[1] ** 2 * tails[1]  # derivative of the density where the tails begin
    first = _STEP**2 * span * (first * span * stretch[0] ** 2 - 2 * _FINER * density[:, :1])
    density = density * (_STEP * span * stretch)
    slope = np.gradient(density, axis=1)
    slope[:, :1] = first
    pieces = 0.5 * (density[:, 1:] + density[:, :-1]) - (slope[:, 1:] - slope[:, :-1]) / 12
    tail = tails[0] + tails[1]
    cumulated = np.cumsum(np.concatenate([tail, np.maximum(pieces, 0.0)], axis=1), axis=1)

    total = _whole(density) + tail
    log_mean, mean = _whole(density * (grid - high)), _whole(density * np.exp(grid - high))
    for mass, power in zip(tails, powers, strict=True):
        log_mean += mass * (low - high - 1 / power)
        mean += mass * np.exp(low - high) * power / (1 + power)
    columns = [np.log(mean / total) + high, log_mean / total + high]
    row = np.arange(len(grid))
    for probability in probabilities:
        wanted = probability * cumulated[:, -1]
        after = np.clip((cumulated < wanted[:, None]).sum(axis=1), 1, _POINTS - 1)
        before = cumulated[row, after - 1]
        part = _inverse_cubic(
            wanted - before, cumulated[row, after] - before, density[row, after - 1], density[row, after]
        )
        within = low[:, 0] + span[:, 0] * _place(_STEP * (after - 1 + part))
        under = low[:, 0] + _tail_quantile(wanted[:, None], tails, powers)[:, 0]
        columns.append(np.where(wanted < tail[:, 0], under, within)[:, None])
    return np.concatenate(columns, axis=1)


def _whole(values: _Floats) -> _Floats:
    return np.asarray(values.sum(axis=1, keepdims=True) - 0.5 * (values[:, :1] + values[:, -1:]))


def _inverse_cubic(wanted: _Floats, whole: _Floats, left: _Floats, right: _Floats) -> _Floats:
    """Where in [0, 1] the cubic from 0 to `whole`, with these slopes at its ends, is `wanted`."""
    # first as if the slope were linear, then by Newton
    root = np.sqrt(np.maximum(left**2 + 2 * (right - left) * wanted, 0.0))
    part = np.clip(2 * wanted / np.maximum(left + root, 1e-300), 0.0, 1.0)
    second, third = 3 * whole - 2 * left - right, left + right - 2 * whole
    for _ in range(2):
        value = part * (left + part * (second + part * third)) - wanted
        slope = left + part * (2 * second + 3 * part * third)
        part = np.clip(part - value / np.maximum(slope, 1e-300), 0.0, 1.0)
    return part


def _tail_quantile(wanted: _Floats, tails: tuple[_Floats, _Floats], powers: tuple[float, float]) -> _Floats:
    """How far below the grid the mass is `wanted`: Newton on a convex rising function, from its right."""
    place = np.zeros_like(wanted)
    aim = np.log(np.minimum(wanted, tails[0] + tails[1]))
    for _ in range(_NEWTON_STEPS):
        one, two = tails[0] * np.exp(powers[0] * place), tails[1] * np.exp(powers[1] * place)
        place = place - (np.log(one + two) - aim) * (one + two) / (powers[0] * one + powers[1] * two)
    return place
