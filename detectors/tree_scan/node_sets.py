"""Which names of a hierarchy a report counts at; reports that count at the same ones are one row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from cases import ParameterError
from detectors._series import Column, series_of
from detectors.hierarchy import Hierarchy
from detectors.tree_scan._counting import checked_lengths

__all__ = ["NodeSets"]


@dataclass(frozen=True, slots=True, eq=False)
class NodeSets:
    """The distinct sets of names at which reports, or events, count; a scan draws how many there are of each.

    A report with several reactions counts at all of them and at everything above, at each once. Drawing whole reports
    keeps that; drawing the reactions one by one would make chance look rarer than it is.

    Parameters
    ----------
    hierarchy
        Where the names come from.
    incidence
        Sparse matrix, sets by names: 1 where a report of the set counts at the name.

    Examples
    --------
    >>> tree = Hierarchy.from_rows(["infarction", "angina", "rash"], ["heart", "heart", "skin"])
    >>> sets, cases = NodeSets.of_reports(tree, ["1", "1", "2", "3"], ["infarction", "angina", "rash", "rash"])
    >>> cases.rows()
    [('1', 0), ('2', 1), ('3', 1)]
    >>> sets.names_of(0)
    ('angina', 'heart', 'infarction')
    """

    hierarchy: Hierarchy
    incidence: csr_array

    @classmethod
    def of_names(cls, hierarchy: Hierarchy) -> NodeSets:
        """One set a name, in the order of ``hierarchy.names``: events that each have one name."""
        return cls(hierarchy, hierarchy.closure)

    @classmethod
    def of_reports(cls, hierarchy: Hierarchy, case_id: Column, reaction: Column) -> tuple[NodeSets, pl.DataFrame]:
        """The sets of a table of reports, a row a reaction, and the set of each report (case_id, set).

        Both in the order of first appearance: rows that are added at the end leave the earlier numbers as they are.

        Raises `ParameterError` for columns of unequal length, no row, or a missing case id, and like
        `Hierarchy.numbers`.
        """
        case, names = series_of("case_id", case_id).cast(pl.String), series_of("reaction", reaction)
        checked_lengths(case_id=case, reaction=names)
        if not len(case) or case.null_count():
            raise ParameterError("every row must have a case_id" if len(case) else "there is no report")
        named = pl.DataFrame({"case_id": case, "name": hierarchy.numbers(names)})
        cases = named.group_by("case_id", maintain_order=True).agg(pl.col("name").unique().sort())
        cases = cases.with_columns(pl.col("name").cast(pl.List(pl.String)).list.join(",").alias("key"))
        sets = cases.unique("key", keep="first", maintain_order=True).select("key", "name").with_row_index("set")
        cases = cases.join(sets.select("key", "set"), on="key", how="left", maintain_order="left")
        row = sets.select("set", "name").explode("name")
        shape = (len(sets), len(hierarchy.names))
        reported = csr_array(
            (np.ones(len(row), dtype=np.int64), (row["set"].to_numpy(), row["name"].to_numpy())), shape
        )
        incidence = csr_array(reported @ hierarchy.closure)
        incidence.data[:] = 1  # however many of its reactions lie below
        incidence.sort_indices()
        return cls(hierarchy, incidence), cases.select("case_id", pl.col("set").cast(pl.Int64))

    def names_of(self, number: int) -> tuple[str, ...]:
        """The names of one set, sorted."""
        start, end = self.incidence.indptr[number : number + 2]
        return tuple(self.hierarchy.names[each] for each in self.incidence.indices[start:end].tolist())
