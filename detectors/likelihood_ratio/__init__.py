"""Likelihood ratio tests: a pair's ratio, and its chance as the largest of a drug or of a class of drugs."""

from detectors.likelihood_ratio.bootstrap import LikelihoodRatioTest, likelihood_ratio_test
from detectors.likelihood_ratio.log_likelihood_ratio import LogLikelihoodRatio, log_likelihood_ratio

__all__ = ["LikelihoodRatioTest", "LogLikelihoodRatio", "likelihood_ratio_test", "log_likelihood_ratio"]
