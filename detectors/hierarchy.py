"""Hierarchies of reactions or drugs: what lies below what, so that a report counts at every level.

A preferred term belongs to a group of terms, that to a class of organs; a product belongs to an ingredient. The shape
comes as rows of a child and its parent, as every terminology can be written; none is shipped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, identity
from scipy.sparse.csgraph import connected_components

from cases import ParameterError, UnknownTermError
from detectors._series import Column, series_of

__all__ = ["Hierarchy"]


def _text(name: str, column: Column) -> pl.Series:
    series = series_of(name, column)
    return series.cast(pl.String).rename(name)


def _refuse_blank(column: pl.Series, first_row: int) -> None:
    blank = column.is_null() | (column.str.strip_chars() == "")
    if blank.any():
        raise ParameterError(f"row {first_row + int(blank.arg_max() or 0)}: {column.name} has no value")


def _refuse_cycle(child: NDArray[np.int64], parent: NDArray[np.int64], names: pl.Series, first_row: int) -> None:
    same = child == parent
    if same.any():
        row = int(same.argmax())
        raise ParameterError(f"row {first_row + row}: {names[int(child[row])]!r} is its own parent")
    edges = csr_array((np.ones(len(child), dtype=np.int8), (child, parent)), shape=(len(names), len(names)))
    _, component = connected_components(edges, connection="strong")
    inside = component[child] == component[parent]
    if inside.any():
        row = int(inside.argmax())
        above, below = names[int(parent[row])], names[int(child[row])]
        raise ParameterError(f"row {first_row + row}: {above!r} is above {below!r}, but also below it")


def _closure(child: NDArray[np.int64], parent: NDArray[np.int64], size: int) -> csr_array:
    """Names by names, 1 where the column is the row or above it; as many rounds as there are levels."""
    edges = csr_array((np.ones(len(child), dtype=np.int64), (child, parent)), shape=(size, size))
    reached = frontier = csr_array(identity(size, dtype=np.int64, format="csr"))
    while frontier.nnz:
        frontier = frontier @ edges
        frontier.data[:] = 1
        reached = reached + frontier
    reached.sort_indices()
    reached.data = np.ones(reached.nnz, dtype=np.int64)
    return reached


def _levels(child: NDArray[np.int64], parent: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    level = np.ones(size, dtype=np.int64)
    while True:
        below = level.copy()
        np.maximum.at(below, child, level[parent] + 1)
        if (below == level).all():
            return level
        level = below


@dataclass(frozen=True, slots=True, eq=False)
class Hierarchy:
    """Names and what lies above each; made by `from_rows`, which checks it.

    A name may have several parents, any name may be reported, inner ones too, and a name without parent is a top.

    Parameters
    ----------
    names
        All names, sorted by Unicode code point.
    level
        Level of each name, shape (names,): 1 for a top, else one more than the lowest of its parents.
    is_leaf
        Whether nothing lies below the name, shape (names,).
    closure
        Sparse matrix, names by names: 1 where the column's name is the row's, or lies above it.

    Examples
    --------
    A report of both heart attacks counts once as an infarction, and once at everything above:

    >>> tree = Hierarchy.from_rows(["anterior infarction", "inferior infarction", "infarction", "angina"],
    ...                            ["infarction", "infarction", "heart", "heart"])
    >>> tree.ancestors("inferior infarction")
    ('infarction', 'heart')
    >>> row, reaction = tree.rolled_up(["anterior infarction", "inferior infarction", "angina"])
    >>> case_id, drug = pl.Series(["1", "1", "2"]), pl.Series(["a", "a", "b"])
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_reports(case_id[row], drug[row], reaction)
    >>> table.pair("a", "heart")
    Cell(n=1, n_drug=1, n_reaction=2, n_total=2)
    """

    names: tuple[str, ...]
    level: NDArray[np.int64]
    is_leaf: NDArray[np.bool_]
    closure: csr_array

    @classmethod
    def from_rows(cls, child: Column, parent: Column, *, first_row: int = 0) -> Hierarchy:
        """A hierarchy of columns of equal length, a row a child and one of its parents; rows may repeat.

        Raises `ParameterError`, naming the row (the first is `first_row`), for a blank name, a name that is its own
        parent, and one that is below itself by way of others; also for no rows and columns of unequal length.
        """
        children, parents = _text("child", child), _text("parent", parent)
        if len(children) != len(parents):
            raise ParameterError(f"columns must have one length, not child {len(children)} and parent {len(parents)}")
        if not len(children):
            raise ParameterError("a hierarchy needs at least one row of a child and its parent")
        for column in (children, parents):
            _refuse_blank(column, first_row)
        names = pl.concat([children.rename("name"), parents.rename("name")]).unique().sort()
        below, above = (names.search_sorted(column).cast(pl.Int64).to_numpy() for column in (children, parents))
        _refuse_cycle(below, above, names, first_row)
        is_leaf = np.ones(len(names), dtype=np.bool_)
        is_leaf[above] = False
        closure = _closure(below, above, len(names))
        return cls(tuple(names), _levels(below, above, len(names)), is_leaf, closure)

    def numbers(self, column: Column) -> NDArray[np.int64]:
        """Position in `names` of every value; raises `UnknownTermError`, naming the nearest, for one that is not there.

        A missing value raises `ParameterError`.
        """
        values = _text("name", column)
        known = pl.DataFrame({"name": pl.Series(self.names, dtype=pl.String)}).with_row_index("number")
        found = values.to_frame().join(known, on="name", how="left", maintain_order="left")["number"]
        if found.null_count():
            name = values[int(found.is_null().arg_max() or 0)]
            if name is None:
                raise ParameterError("a name is missing")
            near = ", ".join(map(repr, get_close_matches(name, self.names, n=3)))
            raise UnknownTermError(
                f"the hierarchy does not have {name!r}",
                hint=f"the nearest are {near}" if near else "add it with a parent",
            )
        return found.cast(pl.Int64).to_numpy()

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Every name above, each once, the lowest level first; raises `UnknownTermError` like `numbers`."""
        number = int(self.numbers([name])[0])
        above = [each for each in self._above(number) if each != number]
        above.sort(key=lambda each: (-self.level[each], self.names[each]))
        return tuple(self.names[each] for each in above)

    def _above(self, number: int) -> list[int]:
        start, end = self.closure.indptr[number : number + 2]
        found: list[int] = self.closure.indices[start:end].tolist()
        return found

    def rolled_up(self, column: Column) -> tuple[NDArray[np.int64], pl.Series]:
        """Rows of a table again for every level: (which row, its value or a name above it).

        A table that takes these rows counts each report once at a name, however many of its values lie below. Raises
        like `numbers`.
        """
        numbers = self.numbers(column)
        starts = self.closure.indptr[numbers].astype(np.int64)
        width = self.closure.indptr[numbers + 1].astype(np.int64) - starts
        row = np.repeat(np.arange(len(numbers), dtype=np.int64), width)
        offset = np.arange(len(row), dtype=np.int64) - np.repeat(np.cumsum(width) - width, width)
        above = self.closure.indices[starts[row] + offset]
        return row, pl.Series("name", self.names, dtype=pl.String).gather(above)

    def column(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Values by name as an array in the order of `names`, 0 where none is given; raises like `numbers`."""
        array = np.zeros(len(self.names))
        array[self.numbers(list(values))] = list(values.values())
        return array
