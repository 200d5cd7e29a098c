"""Sequential tests: when counts that are looked at again and again may call a signal, at a stated risk.

Boundaries: `poisson_max_sprt`, `binomial_max_sprt`, `conditional_max_sprt`. Tests that run, period by period against a
`ProspectiveExpectation`: see `RunningTest`.
"""

from detectors.sequential.conditional_max_sprt import conditional_log_likelihood_ratio, conditional_max_sprt
from detectors.sequential.confidence_sequence import binomial_confidence, poisson_confidence
from detectors.sequential.critical_value import CriticalValue
from detectors.sequential.e_process import BinomialEProcess, EProcessStatus, PoissonEProcess
from detectors.sequential.e_value import binomial_log_e_value, poisson_log_e_value
from detectors.sequential.max_sprt import binomial_max_sprt, poisson_max_sprt
from detectors.sequential.max_sprt_status import MaxSprtStatus
from detectors.sequential.prospective_expectation import ProspectiveExpectation
from detectors.sequential.running_conditional import ConditionalMaxSprt
from detectors.sequential.running_max_sprt import BinomialMaxSprt, PoissonMaxSprt
from detectors.sequential.running_test import RunningTest
from detectors.sequential.spending_boundary import SpendingBoundary, SpendingLook
from detectors.sequential.spending_function import SPENDING_FAMILIES, SpendingFunction
from detectors.sequential.spending_test import BinomialSpendingTest, PoissonSpendingTest, SpendingStatus

__all__ = [
    "SPENDING_FAMILIES",
    "BinomialEProcess",
    "BinomialMaxSprt",
    "BinomialSpendingTest",
    "ConditionalMaxSprt",
    "CriticalValue",
    "EProcessStatus",
    "MaxSprtStatus",
    "PoissonEProcess",
    "PoissonMaxSprt",
    "PoissonSpendingTest",
    "ProspectiveExpectation",
    "RunningTest",
    "SpendingBoundary",
    "SpendingFunction",
    "SpendingLook",
    "SpendingStatus",
    "binomial_confidence",
    "binomial_log_e_value",
    "binomial_max_sprt",
    "conditional_log_likelihood_ratio",
    "conditional_max_sprt",
    "poisson_confidence",
    "poisson_log_e_value",
    "poisson_max_sprt",
]
