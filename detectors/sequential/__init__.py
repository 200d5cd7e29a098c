"""Sequential tests: when counts that are looked at again and again may call a signal, at a stated risk."""

from detectors.sequential.critical_value import CriticalValue
from detectors.sequential.max_sprt import binomial_max_sprt, poisson_max_sprt

__all__ = ["CriticalValue", "binomial_max_sprt", "poisson_max_sprt"]
