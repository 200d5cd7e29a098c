"""Multiplicity: how many of the signals among very many tests are false, at once and in a stream of tests."""

from detectors.multiplicity.addis import Addis
from detectors.multiplicity.bayesian_fdr import bayesian_fdr
from detectors.multiplicity.benjamini_hochberg import benjamini_hochberg
from detectors.multiplicity.lord import Lord
from detectors.multiplicity.saffron import Saffron
from detectors.multiplicity.storey import StoreyResult, storey

__all__ = ["Addis", "Lord", "Saffron", "StoreyResult", "bayesian_fdr", "benjamini_hochberg", "storey"]
