"""Do two drugs together bring about more reports of a reaction than each on its own: counts of triples, and Omega."""

from detectors.interaction.normal_omega_shrinkage import NormalOmegaShrinkage
from detectors.interaction.omega_shrinkage import OmegaShrinkage
from detectors.interaction.report_index import ReportIndex
from detectors.interaction.triple_arrays import TripleArrays

__all__ = ["NormalOmegaShrinkage", "OmegaShrinkage", "ReportIndex", "TripleArrays"]
