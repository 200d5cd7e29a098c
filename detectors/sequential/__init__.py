"""Sequential tests: when counts that are looked at again and again may call a signal, at a stated risk.

Boundaries: `poisson_max_sprt`, `binomial_max_sprt`, `conditional_max_sprt`. Tests that run, period by period against a
`ProspectiveExpectation`: see `RunningTest`.
"""

from detectors.sequential.conditional_max_sprt import conditional_log_likelihood_ratio, conditional_max_sprt
from detectors.sequential.critical_value import CriticalValue
from detectors.sequential.max_sprt import binomial_max_sprt, poisson_max_sprt
from detectors.sequential.max_sprt_status import MaxSprtStatus
from detectors.sequential.prospective_expectation import ProspectiveExpectation
from detectors.sequential.running_conditional import ConditionalMaxSprt
from detectors.sequential.running_max_sprt import BinomialMaxSprt, PoissonMaxSprt
from detectors.sequential.running_test import RunningTest

__all__ = [
    "BinomialMaxSprt",
    "ConditionalMaxSprt",
    "CriticalValue",
    "MaxSprtStatus",
    "PoissonMaxSprt",
    "ProspectiveExpectation",
    "RunningTest",
    "binomial_max_sprt",
    "conditional_log_likelihood_ratio",
    "conditional_max_sprt",
    "poisson_max_sprt",
]
