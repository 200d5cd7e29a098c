"""Fit of the gamma mixture prior by maximum likelihood: several starts on squashed data, polished on all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from cases import ParameterError
from detectors.empirical_bayes._likelihood import Likelihood
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["STARTS", "GammaMixtureFit", "fit_gamma_mixture"]

_Floats = NDArray[np.float64]
_GRADIENT_TOLERANCE = 1e-3
_AGREEMENT = 1e-2
_BOUND = 14.0  # of the logarithms: 1e-6 to 1e6
_BINS = 200

STARTS = (
    GammaMixture(alpha1=0.2, beta1=0.1, alpha2=2.0, beta2=4.0, p=1 / 3),
    GammaMixture(alpha1=0.1, beta1=0.1, alpha2=10.0, beta2=10.0, p=0.2),
    GammaMixture(alpha1=2.0, beta1=2.0, alpha2=0.3, beta2=0.05, p=0.9),
    GammaMixture(alpha1=0.5, beta1=0.5, alpha2=2.0, beta2=0.5, p=0.5),
    GammaMixture(alpha1=5.0, beta1=3.0, alpha2=0.5, beta2=0.2, p=0.5),
)
"""Where the search begins when it is not told: shapes below and above 1, either component the larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaMixtureFit:
    """A converged fit, and what there is to judge it by."""

    prior: GammaMixture
    """Fitted prior, the component of the smaller mean first."""
    negative_log_likelihood: float
    """Of all the data, not the squashed."""
    gradient_norm: float
    """Largest absolute derivative by the logarithms of the shapes and rates and the logit of the weight."""
    starts: int
    """From how many points the search began."""
    starts_agreeing: int
    """How many of them ended within 0.01 of the best likelihood of the squashed data."""
    pairs: int
    """How many pairs the prior was fitted on."""
    truncation: int
    """Least count that could be observed, 0 for a whole table."""


def _coordinates(prior: GammaMixture) -> _Floats:
    shapes = [prior.alpha1, prior.beta1, prior.alpha2, prior.beta2]
    return np.append(np.log(shapes), logit(prior.p))


def _prior(x: _Floats) -> GammaMixture:
    a1, b1, a2, b2 = np.exp(x[:4]).tolist()
    return GammaMixture(alpha1=a1, beta1=b1, alpha2=a2, beta2=b2, p=float(expit(x[4])))


def _squashed(n: _Floats, expected: _Floats, weight: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Rows of one count and nearby expected counts as one, at their mean: at most 200 rows a count."""
    order = np.lexsort((expected, n))
    n, expected, weight = n[order], expected[order], weight[order]
    first = np.concatenate([[True], n[1:] != n[:-1]])
    group = np.cumsum(first) - 1
    size = np.bincount(group)
    rank = np.arange(len(n)) - np.flatnonzero(first)[group]
    key = group * _BINS + np.where(size[group] > _BINS, rank * _BINS // size[group], rank)
    _, place = np.unique(key, return_inverse=True)
    total = np.bincount(place, weight)
    mean_n, mean_expected = np.bincount(place, weight * n) / total, np.bincount(place, weight * expected) / total
    return np.rint(mean_n), mean_expected, np.asarray(total, dtype=np.float64)


def _search(likelihood: Likelihood, x: _Floats) -> tuple[float, _Floats]:
    """Best point from one start."""
    found = minimize(
        likelihood, x, jac=True, method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * 5, options={"maxiter": 500}
    )
    return float(found.fun), np.asarray(found.x)


def _expectation_maximisation(likelihood: Likelihood, x: _Floats, *, rounds: int = 30) -> _Floats:
    """A better point by expectation-maximisation: slow near the optimum, and steady where the search is not."""
    bounds = [(-_BOUND, _BOUND)] * 2
    for _ in range(rounds):
        first, second = likelihood.components(x)
        share = expit(first - second + x[4])
        parts = [
            minimize(likelihood.single, start, args=(owner,), jac=True, method="L-BFGS-B", bounds=bounds).x
            for start, owner in ((x[:2], share), (x[2:4], 1 - share))
        ]
        mean = float(np.average(share, weights=likelihood.weight))
        x = np.concatenate([*parts, [logit(min(max(mean, 1e-6), 1 - 1e-6))]])
    return x


def _polish(likelihood: Likelihood, curvature: Likelihood, x: _Floats) -> tuple[float, _Floats, float]:
    """Newton steps on all data with the curvature of the squashed; value, point and gradient norm."""
    value, gradient = likelihood(x)
    hessian = curvature.hessian(x)
    for _ in range(30):
        norm = float(np.abs(gradient).max())
        if norm <= _GRADIENT_TOLERANCE / 10:
            break
        values, vectors = np.linalg.eigh(hessian)
        step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-6))
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        scale = 1.0
        while scale > 1e-6:
            new_value, new_gradient = likelihood(x - scale * step)
            if new_value <= value + 1e-12 * abs(value):
                break
            scale /= 2
        else:
            break
        x, value, gradient = x - scale * step, new_value, new_gradient
    return value, x, float(np.abs(gradient).max())


def fit_gamma_mixture(
    n: ArrayLike,
    expected: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    truncation: int = 1,
    starts: Sequence[GammaMixture] = STARTS,
) -> GammaMixtureFit:
    """Fit the prior to counts and expected counts of pairs.

    Parameters
    ----------
    n, expected
        Reports and expected reports of each pair, shape (pairs,); expected above 0.
    weight
        How many pairs each row stands for, above 0; 1 by default.
    truncation
        Least count that the data can hold: 1 where pairs without reports are left out, 0 for a whole table. Every
        component is truncated by itself.
    starts
        Where the search begins; the former optimum alone for a warm start.

    Raises
    ------
    ParameterError
        Rows that are no counts, a count below `truncation`, fewer than ten pairs, or no start that converges to an
        interior optimum: the data do not determine two components.
    """
    counts, means = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    counts, means = counts.ravel(), means.ravel()
    weights = np.broadcast_to(np.asarray(1.0 if weight is None else weight, dtype=np.float64), counts.shape)
    if not truncation >= 0:
        raise ParameterError(f"truncation must be at least 0, not {truncation!r}")
    if not starts:
        raise ParameterError("starts must name at least one prior")
    fits = (counts >= truncation) & np.isfinite(counts) & (means > 0) & np.isfinite(means) & (weights > 0)
    if not fits.all():
        row = int(np.argmin(fits))
        raise ParameterError(
            f"row {row}: n must be at least {truncation} and expected above 0, not {counts[row]} and {means[row]}"
        )
    if not len(counts) >= 10:
        raise ParameterError(f"a prior needs at least 10 pairs, not {len(counts)}")
    whole = Likelihood(counts, means, weights, truncation=truncation)
    small = Likelihood(*_squashed(counts, means, weights), truncation=truncation)
    found = [_search(small, _coordinates(start)) for start in starts]
    best_value, best = min(found, key=lambda item: item[0])
    value, x, norm = _polish(whole, small, best)
    if not norm <= _GRADIENT_TOLERANCE:
        best_value, best = _search(small, _expectation_maximisation(small, best))
        value, x, norm = _polish(whole, small, best)
    if not (norm <= _GRADIENT_TOLERANCE and np.abs(x).max() < _BOUND):
        raise ParameterError(
            f"no prior of two components fits these {len(counts)} pairs: the gradient is {norm:.3g} at the best point",
            hint="too few pairs, or none that stand out; use the information component, or a prior from other data",
        )
    return GammaMixtureFit(
        prior=_prior(x).ordered(),
        negative_log_likelihood=value,
        gradient_norm=norm,
        starts=len(found),
        starts_agreeing=sum(item[0] <= best_value + _AGREEMENT for item in found),
        pairs=len(counts),
        truncation=truncation,
    )
