"""The exact posterior of a noisy count, one cell at a time: the oracle and the slow peer of `NoisyShrinkage`.

The sum over the true count is taken as it stands, every whole number from none to far above the noisy one, and the
quantiles of the mixture of gamma distributions by bracketing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, gammainc, gammaln, logsumexp

from detectors import GammaMixture

__all__ = ["exact_mixture"]

_NEGLIGIBLE = 1e-13


def exact_mixture(
    count: float, expected: float, *, sd: float, prior: GammaMixture, probabilities: Sequence[float]
) -> NDArray[np.float64]:
    """Logarithms of mean, geometric mean and quantiles of the ratio; `sd` above 0, the expected count without noise."""
    a = np.arange(int(max(0.0, np.ceil(count + 12 * sd))) + 40)
    weights, shapes, rates = [], [], []
    for share, shape, rate in ((prior.p, prior.alpha1, prior.beta1), (1 - prior.p, prior.alpha2, prior.beta2)):
        weight = np.log(share) + gammaln(a + shape) - gammaln(shape) - gammaln(a + 1) + shape * np.log(rate)
        weight += a * np.log(expected) - (a + shape) * np.log(rate + expected) - 0.5 * ((count - a) / sd) ** 2
        weights.append(weight)
        shapes.append(a + shape)
        rates.append(np.full(a.size, rate + expected))
    weight, shape_of, rate_of = (np.concatenate(each) for each in (weights, shapes, rates))
    weight = np.exp(weight - logsumexp(weight))
    kept = weight > _NEGLIGIBLE
    weight, shape_of, rate_of = weight[kept], shape_of[kept], rate_of[kept]

    def above(log_ratio: float, probability: float) -> float:
        return float(np.sum(weight * gammainc(shape_of, rate_of * np.exp(log_ratio)))) - probability

    top = float(np.log((shape_of.max() + 50) / rate_of.min())) + 3
    quantiles = [brentq(above, -400.0, top, args=(probability,), xtol=1e-9) for probability in probabilities]
    moments = [np.log(np.sum(weight * shape_of / rate_of)), np.sum(weight * (digamma(shape_of) - np.log(rate_of)))]
    return np.array([*moments, *quantiles])
