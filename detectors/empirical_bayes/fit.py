"""Fit of the gamma mixture prior by maximum likelihood: several starts on squashed data, polished on all of it.

Why so, and what the numbers below are: docs/adr/0007-shrinker-fit.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from cases import ParameterError
from detectors.empirical_bayes._likelihood import Likelihood
from detectors.empirical_bayes._newton import Minimum, minimise
from detectors.empirical_bayes._squash import squashed
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["STARTS", "GammaMixtureFit", "fit_gamma_mixture"]

_Floats = NDArray[np.float64]
_GRADIENT_TOLERANCE = 1e-3
_AGREEMENT = 1e-2
_CURVATURE = 1e-3  # least second derivative: below it a logarithm has a standard error above 30
_LOW = np.array([*np.log([1e-6, 1e-6, 1e-6, 1e-6]), -14.0])
_HIGH = np.array([*np.log([1e4, 1e6, 1e4, 1e6]), 14.0])
_SHAPES = np.array([True, False, True, False, False])

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
    """Largest absolute derivative by the logarithms of the shapes and rates and the logit of the weight; not by a shape
    that is at its bound."""
    starts: int
    """From how many points the search began."""
    starts_agreeing: int
    """How many of them ended within 0.01 of the best likelihood of the squashed data."""
    pairs: int
    """How many pairs the prior was fitted on."""
    truncation: int
    """Least count that could be observed, 0 for a whole table."""
    is_shape_at_bound: bool
    """Whether a shape is at its bound: 10,000, where the ratios of its component do not measurably vary, or 1e-6, where
    the component is a distribution by the truncation alone."""

    def refit(self, n: ArrayLike, expected: ArrayLike, *, weight: ArrayLike | None = None) -> GammaMixtureFit:
        """Fit the prior to newer data of the same kind, from this optimum alone: a warm start.

        As one start cannot see a better optimum elsewhere, fit anew by `fit_gamma_mixture` now and then. Raises
        `ParameterError` like it.
        """
        return fit_gamma_mixture(n, expected, weight=weight, truncation=self.truncation, starts=[self.prior])


def _coordinates(prior: GammaMixture) -> _Floats:
    shapes = [prior.alpha1, prior.beta1, prior.alpha2, prior.beta2]
    return np.append(np.log(shapes), logit(prior.p))


def _prior(x: _Floats) -> GammaMixture:
    a1, b1, a2, b2 = np.exp(x[:4]).tolist()
    return GammaMixture(alpha1=a1, beta1=b1, alpha2=a2, beta2=b2, p=float(expit(x[4])))


def _search(likelihood: Likelihood, x: _Floats, *, tolerance: float = _GRADIENT_TOLERANCE) -> Minimum:
    """Best point from one start."""
    return minimise(likelihood, x, low=_LOW, high=_HIGH, tolerance=tolerance)


def _is_converged(found: Minimum) -> bool:
    """Whether two components are determined: a true minimum, at no bound but that of a shape."""
    at_other_bound = found.at_bound & ~_SHAPES
    return found.gradient_norm <= _GRADIENT_TOLERANCE and found.curvature >= _CURVATURE and not at_other_bound.any()


def _expectation_maximisation(likelihood: Likelihood, x: _Floats, *, rounds: int = 30) -> _Floats:
    """A better point by expectation-maximisation: slow near the optimum, and steady where the search is not."""
    for _ in range(rounds):
        first, second = likelihood.components(x)
        share = expit(first - second + x[4])
        parts = [
            minimise(
                partial(likelihood.single, share=owner), x[part], low=_LOW[part], high=_HIGH[part],
                tolerance=_GRADIENT_TOLERANCE,
            ).place
            for part, owner in ((slice(0, 2), share), (slice(2, 4), 1 - share))
        ]  # fmt: skip
        mean = float(np.average(share, weights=likelihood.weight))
        x = np.concatenate([*parts, [logit(min(max(mean, 1e-6), 1 - 1e-6))]])
    return x


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
    polish = partial(_search, whole, tolerance=_GRADIENT_TOLERANCE / 10)
    places, agreeing = [_coordinates(start) for start in starts], 1
    end = polish(places[0]) if len(places) == 1 else None
    if end is None or not _is_converged(end):
        small = Likelihood(*squashed(counts, means, weights), truncation=truncation)
        found = [_search(small, place) for place in places]
        best = min(found, key=lambda each: each.value)
        agreeing = sum(each.value <= best.value + _AGREEMENT for each in found)
        end = polish(best.place)
        if not _is_converged(end):
            end = polish(_search(small, _expectation_maximisation(small, best.place)).place)
    if not _is_converged(end):
        raise ParameterError(
            f"no prior of two components fits these {len(counts)} pairs: the best point has a gradient of "
            f"{end.gradient_norm:.3g} and a least curvature of {end.curvature:.3g}",
            hint="too few pairs, or none that stand out; use the information component, or a prior from other data",
        )
    return GammaMixtureFit(
        prior=_prior(end.place).ordered(),
        negative_log_likelihood=end.value,
        gradient_norm=end.gradient_norm,
        starts=len(places),
        starts_agreeing=agreeing,
        pairs=len(counts),
        truncation=truncation,
        is_shape_at_bound=bool(end.at_bound.any()),
    )
