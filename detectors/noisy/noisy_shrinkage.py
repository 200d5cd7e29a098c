"""Shrunken ratios of counts seen through noise of known size: EBGM, EB05 and the information component among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cases import ParameterError
from detectors.empirical_bayes import GammaMixture
from detectors.noisy._posterior import posterior_summary
from detectors.noisy._posterior_table import interpolated_summary

__all__ = ["NoisyShrinkage"]

_ORDINARY = (-4.0, 2.0)  # scores between which a cell may be interpolated
_LEAST_COUNT = -3.5  # in standard deviations of the noise


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyShrinkage:
    r"""Posterior of the reporting ratio :math:`\lambda` given a noisy count :math:`y` and its noise.

    .. math:: y = a + \epsilon,\quad a \sim \mathrm{Poisson}(\lambda E'),\quad \epsilon \sim N(0, s^2),\quad
              E' \sim \Gamma(\text{mean } E,\ \text{sd } cE),\quad \lambda \sim \text{prior}

    Without noise of the expected count (:math:`c = 0`) the posterior is the mixture of the gamma distributions
    :math:`\Gamma(a + \alpha_j, E + \beta_j)` over the component j and the true count a, with weights
    :math:`P_j\,\mathrm{NB}(a; \alpha_j, \beta_j/(\beta_j + E))\,e^{-(y - a)^2/2s^2}`.

    Parameters
    ----------
    prior
        Of :math:`\lambda`. Take one of public data (`load_public_prior`): fitted to very noisy counts it collapses. The
        information component is the prior with all shapes and rates 1/2.
    probabilities
        Of the quantiles, each in (0, 1); EB05 and EB95 are ``(0.05, 0.95)``.

    Notes
    -----
    Computed by quadrature over :math:`\log \lambda`. Of many cells, those less than 2 standard deviations above
    expectation are interpolated in a table of such posteriors: what stands out never is. Errors are at most 0.02
    in :math:`\log_2` (0.04 for an interpolated lower quantile), and mostly below 0.005.

    A count of weights below 1 is taken as one of weights of 1, which is never too sure.

    Examples
    --------
    Sixty reports where ten are expected: without noise, with noise of standard deviation 9, and of 30.

    >>> prior = GammaMixture(alpha1=0.2, beta1=0.1, alpha2=2.0, beta2=4.0, p=1 / 3)
    >>> shrinkage = NoisyShrinkage(prior=prior, probabilities=(0.05, 0.95))
    >>> for sd in (0.0, 9.0, 30.0):
    ...     mean, geometric_mean, eb05, eb95 = shrinkage.score_many([60.0], [10.0], sd=sd)[0]
    ...     print(f"{geometric_mean:.2f} ({eb05:.2f} to {eb95:.2f})")
    5.91 (4.76 to 7.28)
    5.64 (3.90 to 7.77)
    0.42 (0.01 to 6.69)

    References
    ----------
    DuMouchel W (1999), The American Statistician 53:177-190, doi:10.1080/00031305.1999.10474456
    """

    prior: GammaMixture
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        for probability in self.probabilities:
            if not 0 < probability < 1:
                raise ParameterError(f"probabilities must lie in (0, 1), not {probability!r}")

    def score_many(
        self, count: ArrayLike, expected: ArrayLike, *, sd: float, expected_ratio_sd: ArrayLike = 0.0
    ) -> NDArray[np.float64]:
        """Mean, geometric mean and quantiles of the ratio, shape (cells, 2 + quantiles).

        Parameters
        ----------
        count, expected
            Noisy counts, of any sign, and expected counts, shape (cells,).
        sd
            Standard deviation of the noise of a count, at least 0.
        expected_ratio_sd
            Standard deviation of the expected counts in units of themselves, in [0, 1].

        A cell whose count is not finite, or whose expected count is not above 0 and finite, is NaN. Raises
        `ParameterError` for an `sd` or `expected_ratio_sd` outside its range.
        """
        if not 0 <= sd < np.inf:
            raise ParameterError(f"sd must be at least 0 and finite, not {sd!r}")
        arrays = (np.asarray(each, dtype=np.float64) for each in (count, expected, expected_ratio_sd))
        y, e, c = (np.ravel(each) for each in np.broadcast_arrays(*arrays))
        is_known = np.isfinite(y) & (e > 0) & np.isfinite(e)
        if not np.all((c[is_known] >= 0) & (c[is_known] <= 1)):
            raise ParameterError("expected_ratio_sd must lie in [0, 1]")
        spread = np.sqrt(np.where(is_known, e + sd * sd + (c * e) ** 2, 1.0))
        is_ordinary = is_known & (y > e + _ORDINARY[0] * spread) & (y < e + _ORDINARY[1] * spread)
        is_ordinary &= y > _LEAST_COUNT * sd
        result = np.full((y.size, 2 + len(self.probabilities)), np.nan)
        for chosen, is_many in ((np.flatnonzero(is_ordinary), True), (np.flatnonzero(is_known & ~is_ordinary), False)):
            result[chosen] = self._summary(y[chosen], e[chosen], c[chosen], sd, is_many=is_many)
        return np.asarray(np.exp(result))

    def _summary(
        self, y: NDArray[np.float64], e: NDArray[np.float64], c: NDArray[np.float64], sd: float, *, is_many: bool
    ) -> NDArray[np.float64]:
        if is_many and y.size:
            summary = interpolated_summary(y, e, c, sd=sd, prior=self.prior, probabilities=self.probabilities)
            if summary is not None:
                return summary
        return posterior_summary(y, e, c, sd=sd, prior=self.prior, probabilities=self.probabilities)
