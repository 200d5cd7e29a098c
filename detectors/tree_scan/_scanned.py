"""The names of a tree that are scanned, their ratios, and the largest in draws without any excess."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from scipy.sparse import csc_array, csr_array

from cases import ParameterError
from detectors.tree_scan._counting import Counted, Floats
from detectors.tree_scan.cut import Cut
from detectors.tree_scan.node_sets import NodeSets

__all__ = ["TIE", "Scanned"]

TIE = 1e-9
"""Ratios that differ by less, of 1 or of themselves, are one: sums of expectations are not exact."""
_BLOCK = 128  # draws at once; fixed, so that a later look leaves the draws of the earlier ones as they are


def _with_reports(sets: NodeSets, looks: Counted) -> tuple[list[int], list[tuple[str, ...]]]:
    """Names at which a report can count, one of those with the same sets each: the lowest, and the others."""
    is_used = (looks.size > 0) | (looks.observed > 0)
    by_name = csc_array(sets.incidence[np.flatnonzero(is_used)])
    by_name.sort_indices()
    level, names = sets.hierarchy.level, sets.hierarchy.names
    same: dict[bytes, list[int]] = {}
    for number in np.flatnonzero(np.diff(by_name.indptr)).tolist():
        rows = by_name.indices[by_name.indptr[number] : by_name.indptr[number + 1]]
        same.setdefault(rows.tobytes(), []).append(number)
    groups = [sorted(group, key=lambda each: (-level[each], names[each])) for group in same.values()]
    return [group[0] for group in groups], [tuple(names[each] for each in group[1:]) for group in groups]


class Scanned:
    """The names of a tree that the reports of some looks, one after the other, can count at."""

    def __init__(self, sets: NodeSets, looks: Sequence[Counted]) -> None:
        for each in looks:
            if len(each.observed) != sets.incidence.shape[0]:
                raise ParameterError(
                    f"counts must have {sets.incidence.shape[0]} values, a set each, not {len(each.observed)}"
                )
        self._sets, self._looks = sets, looks
        self._so_far = list(accumulate(looks, lambda before, each: before + each))
        self._numbers, self._same_as = _with_reports(sets, self._so_far[-1])
        self._nodes = csr_array(csc_array(sets.incidence)[:, self._numbers].T)

    def maxima(self, random: np.random.Generator, replications: int) -> Floats:
        """The largest ratio of the tree after each look, of draws without any excess; shape (looks, replications)."""
        if not replications >= 1:
            raise ParameterError(f"replications must be at least 1, not {replications!r}")
        tested = [self._nodes[each.expected_at(self._nodes) > 0] for each in self._so_far]
        largest = np.zeros((len(self._looks), replications))
        starts = range(0, replications, _BLOCK)
        for start, stream in zip(starts, random.spawn(len(starts)), strict=True):
            end = min(start + _BLOCK, replications)
            drawn = np.zeros((self._nodes.shape[1], end - start), dtype=np.int64)
            for look, (new, so_far, nodes) in enumerate(zip(self._looks, self._so_far, tested, strict=True)):
                drawn += new.draw(stream, end - start)
                if nodes.shape[0]:
                    largest[look, start:end] = so_far.ratio_at(nodes, nodes @ drawn).max(axis=0)
        return largest

    def cuts(self, look: int, maxima: Floats) -> tuple[Cut, ...]:
        """Every cut after a look, the largest ratio first, then the lowest level; those that cannot be judged last."""
        counted = self._so_far[look]
        expected = counted.expected_at(self._nodes)
        observed = np.asarray(self._nodes @ counted.observed, dtype=np.int64)
        ratio = np.full(len(expected), np.nan)
        tested = np.flatnonzero(expected > 0)
        ratio[tested] = counted.ratio_at(self._nodes[tested], observed[tested][:, None])[:, 0]
        below = np.searchsorted(np.sort(maxima), ratio - TIE * (1 + ratio), side="left")
        p = np.where(expected > 0, (1 + len(maxima) - below) / (len(maxima) + 1), np.nan)
        found = [
            self._cut(*row)
            for row in zip(
                self._numbers, self._same_as, *(each.tolist() for each in (observed, expected, ratio, p)), strict=True
            )
            if row[2] or row[3]
        ]
        found.sort(
            key=lambda cut: (cut.expected == 0, -cut.llr if cut.expected else -cut.observed, -cut.level, cut.name)
        )
        return tuple(found)

    def _cut(self, number: int, same_as: tuple[str, ...], observed: int, expected: float, llr: float, p: float) -> Cut:
        hierarchy = self._sets.hierarchy
        name, level = hierarchy.names[number], int(hierarchy.level[number])
        return Cut(name=name, level=level, observed=observed, expected=expected, llr=llr, p=p, same_as=same_as)
