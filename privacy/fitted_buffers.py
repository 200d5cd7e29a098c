"""Fit the few numbers of a buffered linear Toeplitz matrix to when totals are read."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls
from scipy.signal import lfilter

from cases.errors import ParameterError
from privacy.buffered_toeplitz import PARAMETER_BITS, BufferedToeplitzFactorisation
from privacy.optimal_strategy import Objective

__all__ = ["fitted_buffers"]


def fitted_buffers(
    emphasis: NDArray[np.float64], *, buffers: int, objective: Objective, coefficient_bits: int
) -> BufferedToeplitzFactorisation:
    """The matrix with `buffers` decaying exponentials whose totals are the most precise.

    Starts from decays spread evenly over the logarithm of time, fitted to the square root's coefficients, and descends
    from there by simplex search (no gradients, so the largest error may be the objective). A local optimum: what it is
    worth is seen beside the bound of `privacy.optimal_strategy`.

    Parameters
    ----------
    emphasis, objective
        As `privacy.optimal_strategy.optimal_strategy`.
    buffers
        In [1, 8]; 3 come within a tenth of a per cent of the square root after a year of days.
    coefficient_bits
        Grid of the coefficients.

    Examples
    --------
    >>> strategy = fitted_buffers(np.ones(52), buffers=2, objective="worst", coefficient_bits=12)
    >>> round(strategy.error_factor(51), 2)
    2.32
    """
    if not (emphasis.ndim == 1 and emphasis.size and np.all((emphasis > 0) & np.isfinite(emphasis))):
        raise ParameterError("emphasis must be a vector of finite numbers above 0")
    if not 1 <= buffers <= 8:
        raise ParameterError(f"buffers must lie in [1, 8], not {buffers!r}")

    def loss(point: NDArray[np.float64]) -> float:
        scales, decays = _parameters(point)
        if not scales.sum() <= 1:
            return float("inf")
        errors = emphasis * _errors(scales, decays, emphasis.size)
        return float(errors.max() if objective == "worst" else np.sqrt(np.mean(errors**2)))

    point = _start(emphasis.size, buffers)
    for _ in range(4):  # a fresh simplex where the last one has shrunk
        point = minimize(
            loss,
            point,
            method="Nelder-Mead",
            options={"maxfev": 400 * buffers, "xatol": 1e-7, "fatol": 1e-9, "adaptive": True},
        ).x
    scales, decays = _parameters(point)
    grid = float(1 << PARAMETER_BITS)
    pairs = sorted(
        (min(max(int(decay * grid), 1), int(grid) - 1), max(int(scale * grid), 1))
        for scale, decay in zip(scales, decays, strict=True)
    )
    return BufferedToeplitzFactorisation(
        emphasis.size, coefficient_bits, tuple((scale, decay) for decay, scale in pairs)
    )


def _start(epochs: int, buffers: int) -> NDArray[np.float64]:
    """Logarithms of scales and of decay rates, from the coefficients of the square root."""
    lags = np.arange(1, max(epochs, 2 * buffers + 1), dtype=np.float64)
    wanted = np.cumprod(1 - 0.5 / lags)
    rates = np.exp(-np.linspace(-0.5, log(lags.size), buffers + 1)[1:]) if buffers > 1 else np.array([0.5])
    basis = np.exp(-np.outer(lags - 1, rates))
    weight = lags**-0.25
    scales, _ = nnls(basis * weight[:, None], wanted * weight)
    scales = np.maximum(scales, 1e-3)
    return np.concatenate([np.log(scales / max(1.0, scales.sum() / 0.9)), np.log(rates)])


def _parameters(point: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scales and decays at a point of the search; any point is a valid pair but for the sum of scales."""
    half = point.size // 2
    return np.exp(point[:half]), np.exp(-np.exp(np.minimum(point[half:], 3.0)))


def _errors(scales: NDArray[np.float64], decays: NDArray[np.float64], epochs: int) -> NDArray[np.float64]:
    """F by epoch. The generating function of the coefficients is a quotient of polynomials, so is its inverse."""
    denominator = np.ones(1)
    for decay in decays:
        denominator = np.convolve(denominator, [1.0, -decay])
    numerator = denominator.copy()
    for index, scale in enumerate(scales):
        others = np.ones(1)
        for other in np.delete(decays, index):
            others = np.convolve(others, [1.0, -other])
        numerator[1:] += scale * others
    impulse = np.zeros(epochs)
    impulse[0] = 1.0
    norm_squared = np.sum(lfilter(numerator, denominator, impulse) ** 2)
    totals = np.cumsum(lfilter(denominator, numerator, impulse))
    errors: NDArray[np.float64] = np.sqrt(norm_squared * np.cumsum(totals**2))
    return errors
