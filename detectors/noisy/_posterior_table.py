"""Posteriors of many ordinary cells at once: solved at the points of a table, interpolated between them.

With the noise given, a posterior depends smoothly on three numbers: the expected count, how uncertain it is, and the
noisy count. The table is even in a function of the count that is fine where posteriors change: about the expected count
and about none; only its points near a row are solved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, map_coordinates, spline_filter

from detectors.empirical_bayes import GammaMixture
from detectors.noisy._posterior import posterior_summary

__all__ = ["interpolated_summary"]

_Floats = NDArray[np.float64]
_SPACING = np.array([0.3, 0.22, 0.08])  # in the logarithm of the expected count, the place of the count, ratio_sd
_MARGIN = 2  # points beyond the values: a spline is worst at its ends
_REACH = 3  # how far from a row the spline still feels a point of the table
_HALVINGS = 50


def interpolated_summary(
    count: _Floats,
    expected: _Floats,
    ratio_sd: _Floats,
    *,
    sd: float,
    prior: GammaMixture,
    probabilities: Sequence[float],
) -> _Floats | None:
    """`posterior_summary` by cubic splines; None where too few rows would share the points of the table."""
    axes = np.stack([np.log(expected), _place(count, expected, sd), ratio_sd])
    low = axes.min(axis=1) - _MARGIN * _SPACING
    low[2] = 0.0  # about which the posterior is even, as the spline is about its end
    axes -= low[:, None]
    axes /= _SPACING[:, None]
    shape = np.ceil(axes.max(axis=1)).astype(np.int64) + 1 + _MARGIN
    is_near = np.zeros(shape, dtype=np.bool_)
    is_near[tuple(axes.astype(np.int64))] = True
    is_near = binary_dilation(is_near, np.ones((3, 3, 3), dtype=np.bool_), iterations=_REACH)
    if not 2 * np.count_nonzero(is_near) < count.size:
        return None
    numbers = np.nonzero(is_near)
    log_expected, place, noise = (start + step * at for start, step, at in zip(low, _SPACING, numbers, strict=True))
    middle = np.exp(log_expected)
    solved = posterior_summary(
        _count(place, middle, sd), middle, noise, sd=sd, prior=prior, probabilities=probabilities
    )
    # points too far from any row to matter take the value of the nearest that was solved
    nearest = distance_transform_edt(~is_near, return_distances=False, return_indices=True)
    result = np.empty((count.size, solved.shape[1]))
    table = np.zeros(shape)
    for column in range(solved.shape[1]):
        table[numbers] = solved[:, column]
        spline = spline_filter(table[tuple(nearest)], order=3, mode="mirror")
        result[:, column] = map_coordinates(spline, axes, order=3, mode="mirror", prefilter=False)
    return result


def _place(count: _Floats, expected: _Floats, sd: float) -> _Floats:
    about_expected = np.arcsinh(0.5 * (count - expected) / np.sqrt(expected + sd * sd))
    return np.asarray(about_expected + 2 * np.arcsinh(0.5 * count / np.sqrt(0.25 + sd * sd)))


def _count(place: _Floats, expected: _Floats, sd: float) -> _Floats:
    """Count at a place, by bisection."""
    reach = 2 * np.sinh(np.abs(place)) * (np.sqrt(expected + sd * sd) + np.sqrt(0.25 + sd * sd)) + expected + 1
    low, high = -reach, reach
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        is_above = _place(middle, expected, sd) > place
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    return np.asarray(0.5 * (low + high))
