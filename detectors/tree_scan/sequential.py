"""A tree that is scanned again whenever reports have come in, at a stated risk over all looks together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cases import ParameterError
from detectors.tree_scan._counting import Counted
from detectors.tree_scan._scanned import TIE, Scanned
from detectors.tree_scan.cut import Cut
from detectors.tree_scan.node_sets import NodeSets

__all__ = ["TreeLook", "sequential_tree_scan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLook:
    """What one look found, on all reports until then.

    Parameters
    ----------
    alpha, alpha_spent
        Risk of a false signal allowed until this look, and the risk taken, as estimated from the draws; never more.
    critical_value
        A largest ratio above this signals; infinite where the risk allowed is too small for any to signal.
    cuts
        Every cut, sorted as in `TreeScan`. Its p is that of this look alone, without allowance for the others: the
        critical value decides, not p.
    is_signal
        Whether the first cut is above the critical value.
    """

    alpha: float
    alpha_spent: float
    critical_value: float
    cuts: tuple[Cut, ...]
    is_signal: bool


def sequential_tree_scan(
    sets: NodeSets,
    looks: Sequence[Counted],
    *,
    alpha: Sequence[float],
    random: np.random.Generator,
    replications: int = 9_999,
) -> tuple[TreeLook, ...]:
    r"""Scan after each look everything that has come so far, and spend the risk of a false signal as planned.

    Whole surveillances without any excess are drawn. At look k the critical value is the smallest ratio such that, of
    the draws and the surveillance itself, no more than the share :math:`\alpha_k` has signalled by then; draws that
    signalled before stay signalled.

    Parameters
    ----------
    sets
        Where reports count, the same for all looks.
    looks
        What came between the looks, not the sum: `PoissonCounts` or `BernoulliCounts` of one kind.
    alpha
        Risk allowed until each planned look, rising in (0, 1), as a spending function gives it; at least one a look.
    random
        Source of the draws. Give a generator of the same seed at every look, and all looks so far: the earlier ones
        then come out as they did.
    replications
        Surveillances to draw, at least 1.

    Raises
    ------
    ParameterError
        No look, fewer risks than looks, risks outside (0, 1) or falling, and like `tree_scan`.

    Notes
    -----
    The first signal counts; what comes after it has no claim. Looks may be of any size and number, but their risks must
    be planned without regard to what was seen.

    Examples
    --------
    >>> from detectors.hierarchy import Hierarchy
    >>> from detectors.tree_scan import PoissonCounts
    >>> tree = Hierarchy.from_rows(["infarction", "angina", "rash"], ["heart", "heart", "skin"])
    >>> expected = tree.column({"infarction": 2, "angina": 3, "rash": 6})
    >>> seen = [tree.column({"infarction": i, "angina": a, "rash": r}) for i, a, r in [(3, 2, 6), (6, 6, 5), (5, 8, 7)]]
    >>> found = sequential_tree_scan(NodeSets.of_names(tree), [PoissonCounts(n, expected) for n in seen],
    ...                              alpha=[0.017, 0.033, 0.05], random=np.random.default_rng(1))
    >>> [(look.cuts[0].name, round(look.cuts[0].llr, 1), look.is_signal) for look in found]
    [('infarction', 0.2, False), ('infarction', 2.3, False), ('heart', 5.8, True)]

    References
    ----------
    Kulldorff M et al. (2003), Biometrics 59:323-331, doi:10.1111/1541-0420.00039; Lan KKG, DeMets DL (1983), Biometrika
    70:659-663, doi:10.1093/biomet/70.3.659
    """
    allowed = np.asarray(alpha, dtype=np.float64)
    if not looks:
        raise ParameterError("a sequential scan needs at least one look")
    if not len(allowed) >= len(looks):
        raise ParameterError(f"alpha must have a risk for each of the {len(looks)} looks, not {len(allowed)}")
    if not ((allowed > 0) & (allowed < 1)).all() or not (np.diff(allowed) >= 0).all():
        raise ParameterError(f"alpha must rise within (0, 1), not {list(alpha)!r}")
    scanned = Scanned(sets, looks)
    maxima = scanned.maxima(random, replications)
    is_alive = np.ones(replications, dtype=np.bool_)
    found = []
    for look, (risk, largest) in enumerate(zip(allowed.tolist(), maxima, strict=False)):
        left = int(np.floor(risk * (replications + 1) + TIE)) - 1 - int((~is_alive).sum())
        alive = np.sort(largest[is_alive])[::-1]
        critical = np.inf if left < 0 else float(alive[left]) if left < len(alive) else 0.0
        limit = critical + TIE * (1 + critical)
        is_alive &= ~(largest > limit)
        cuts = scanned.cuts(look, largest)
        found.append(
            TreeLook(
                alpha=risk,
                alpha_spent=1 - float(is_alive.mean()),
                critical_value=critical,
                cuts=cuts,
                is_signal=bool(cuts and cuts[0].llr > limit),
            )
        )
    return tuple(found)
