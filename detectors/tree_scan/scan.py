"""An excess anywhere in a hierarchy, with the chance that corrects for having looked everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.tree_scan._counting import Counted
from detectors.tree_scan._scanned import Scanned
from detectors.tree_scan.cut import Cut
from detectors.tree_scan.node_sets import NodeSets

__all__ = ["TreeScan", "tree_scan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeScan:
    """Result of `tree_scan`.

    Parameters
    ----------
    cuts
        Every cut at which a report counts or is expected, the largest ratio first, at equal ratios the lowest level;
        names where nothing was expected last.
    replications
        Trees drawn.
    """

    cuts: tuple[Cut, ...]
    replications: int

    def at(self, name: str) -> Cut | None:
        """The cut of a name, also one that it is the same as; None where no report counts or is expected."""
        return next((cut for cut in self.cuts if name == cut.name or name in cut.same_as), None)


def tree_scan(sets: NodeSets, counts: Counted, *, random: np.random.Generator, replications: int = 9_999) -> TreeScan:
    r"""Log likelihood ratio of every cut, and its chance as the largest of the tree.

    A cut is a name with everything below it. Under the hypothesis of no excess anywhere the reports are drawn anew,
    set by set, and the largest ratio over all cuts is taken from each draw; the chance of a cut is
    :math:`(1 + \#\{max \ge llr\}) / (B + 1)`. One small chance therefore already corrects for all names and levels.

    Parameters
    ----------
    sets
        Where reports count: `NodeSets.of_reports`, or `NodeSets.of_names` for events with one name each.
    counts
        `PoissonCounts` or `BernoulliCounts`, a value a set.
    random
        Source of the draws; the same seed gives the same result.
    replications
        Trees to draw, B, at least 1. A chance is never below 1 / (B + 1).

    Raises
    ------
    ParameterError
        `replications` below 1, or counts of another number of sets.

    Notes
    -----
    The strongest cut is judged exactly; a weaker one is compared with the largest by chance too, and so rather too
    strictly. A name above a strong cut is mostly strong because of it. Events that come in clusters, such as reports of
    one outbreak, are rarer by these models than they are.

    Examples
    --------
    Two heart reactions have a small excess each; together it is none of chance:

    >>> from detectors.hierarchy import Hierarchy
    >>> from detectors.tree_scan import PoissonCounts
    >>> tree = Hierarchy.from_rows(["infarction", "angina", "rash", "itching", "heart", "skin"],
    ...                            ["heart", "heart", "skin", "skin", "any", "any"])
    >>> observed = tree.column({"infarction": 12, "angina": 14, "rash": 9, "itching": 11})
    >>> expected = tree.column({"infarction": 5, "angina": 6, "rash": 10, "itching": 10})
    >>> found = tree_scan(NodeSets.of_names(tree), PoissonCounts(observed, expected), random=np.random.default_rng(1))
    >>> [(cut.name, round(cut.llr, 2), round(cut.p, 4)) for cut in found.cuts[:3]]
    [('heart', 7.37, 0.0004), ('angina', 3.86, 0.0157), ('infarction', 3.51, 0.0214)]

    References
    ----------
    Kulldorff M, Fang Z, Walsh SJ (2003), Biometrics 59:323-331, doi:10.1111/1541-0420.00039; Kulldorff M et al. (2013),
    Pharmacoepidemiology and Drug Safety 22:517-523, doi:10.1002/pds.3423
    """
    scanned = Scanned(sets, [counts])
    return TreeScan(cuts=scanned.cuts(0, scanned.maxima(random, replications)[0]), replications=replications)
