"""Tree-based scan statistics: an excess anywhere in a hierarchy, at a stated chance of any false alarm over all of it.

Hierarchy -> NodeSets (what each report counts at) ─┐
PoissonCounts | BernoulliCounts (one look) ─────────┴-> tree_scan -> TreeScan, sequential_tree_scan -> TreeLook
"""

from detectors.tree_scan.bernoulli_counts import BernoulliCounts
from detectors.tree_scan.cut import Cut
from detectors.tree_scan.node_sets import NodeSets
from detectors.tree_scan.poisson_counts import PoissonCounts
from detectors.tree_scan.scan import TreeScan, tree_scan
from detectors.tree_scan.sequential import TreeLook, sequential_tree_scan

__all__ = [
    "BernoulliCounts",
    "Cut",
    "NodeSets",
    "PoissonCounts",
    "TreeLook",
    "TreeScan",
    "sequential_tree_scan",
    "tree_scan",
]
