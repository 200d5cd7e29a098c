"""Counts seen through noise of known size: shrunken ratios with their quantiles, and a prior from public data."""

from detectors.noisy.noisy_shrinkage import NoisyShrinkage
from detectors.noisy.public_prior import PublicPrior, load_public_prior, parse_public_prior

__all__ = ["NoisyShrinkage", "PublicPrior", "load_public_prior", "parse_public_prior"]
