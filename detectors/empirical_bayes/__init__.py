"""Multi-item gamma-Poisson shrinker: its prior, how the prior is fitted, and the scores it gives."""

from detectors.empirical_bayes.empirical_bayes import EmpiricalBayes
from detectors.empirical_bayes.fit import GammaMixtureFit, fit_gamma_mixture
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["EmpiricalBayes", "GammaMixture", "GammaMixtureFit", "fit_gamma_mixture"]
