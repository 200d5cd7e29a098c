"""Reports by their drugs and reactions, and the triples that enough of them hold."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors._columnar import MISSING_WORDS
from detectors._series import Column, series_of
from detectors.context._cases import unknown_term
from detectors.interaction._incidence import Incidence, blocks, ordered, ranges, runs
from detectors.interaction.triple_arrays import TripleArrays

__all__ = ["ReportIndex"]

_Integers = NDArray[np.int64]
_ROWS_AT_ONCE = 2_000_000  # some 100 MB while they are sorted


class ReportIndex:
    """Reports as sets of drugs and of reactions: a triple is in a report that names both drugs and the reaction.

    Unlike `CountTable`, which counts the pairs of a report's rows, each drug of a report meets each of its reactions:
    what two drugs do together cannot be told from rows of one drug. What a report names twice counts once.

    It keeps three whole numbers a distinct row, (report, drug) or (report, reaction), and no count of triples: a report
    of k drugs and m reactions holds k (k - 1) m / 2 of them, most of which stay alone, and which will not is known only
    at the end. So there is no `update`: make the index anew, which costs about as much as reading the file.

    Examples
    --------
    >>> rows = [(case, drug, "bleeding") for case in range(4) for drug in ("warfarin", "aspirin")]
    >>> rows += [(4, "warfarin", "rash"), (5, "aspirin", "rash"), (6, "other", "bleeding"), (7, "other", "rash")]
    >>> case_id, drug, reaction = zip(*rows, strict=True)
    >>> triples = ReportIndex(case_id, drug, reaction).triples(minimum_reports=3)
    >>> triples.drug1, triples.drug2, triples.reaction
    (['aspirin'], ['warfarin'], ['bleeding'])
    >>> [int(count[0]) for count in (triples.n_111, triples.n_11, triples.n_101, triples.n_10, triples.n_00)]
    [4, 4, 0, 1, 2]
    """

    def __init__(self, case_id: Column, drug: Column, reaction: Column, *, first_row: int = 0) -> None:
        """Index reports in columns, one row a drug and a reaction of a report; `first_row` is what messages call it.

        Raises `ParameterError`, naming column and row, for columns of unequal length, a missing or empty value, and a
        column without any.
        """
        columns = {"case_id": case_id, "drug": drug, "reaction": reaction}
        text = {name: series_of(name, column).cast(pl.String) for name, column in columns.items()}
        lengths = {name: len(series) for name, series in text.items()}
        if len(set(lengths.values())) > 1:
            raise ParameterError(f"columns must have one length, not {lengths}")
        (_, case), (drugs, drug_number), (reactions, reaction_number) = (
            _coded(name, series, first_row) for name, series in text.items()
        )
        self.drug_names, self.reaction_names = tuple(drugs), tuple(reactions)
        self.report_count = int(case.max(initial=-1)) + 1
        self._drugs = Incidence.of_rows(case, drug_number, self.report_count, len(drugs))
        self._reactions = Incidence.of_rows(case, reaction_number, self.report_count, len(reactions))

    def triples(self, *, minimum_reports: int, rows_at_once: int = _ROWS_AT_ONCE) -> TripleArrays:
        """All triples that at least so many reports hold, sorted by drug 1, drug 2, reaction.

        Reports are opened out to rows a block of first drugs at a time, `rows_at_once` or those of one drug or one pair
        if they are more, so that memory follows the index and the result, and not all triples there are.

        Raises `ParameterError` where `minimum_reports` is below 1, as a triple that no report holds is not listed, or
        `rows_at_once` is.
        """
        for name, value in (("minimum_reports", minimum_reports), ("rows_at_once", rows_at_once)):
            if not value >= 1:
                raise ParameterError(f"{name} must be at least 1, not {value!r}")
        drugs = self._drugs.without_rare(minimum_reports)
        reactions = self._reactions.without_rare(minimum_reports)
        # of each row, the drugs of its report that come after its own
        partners = drugs.report_start[drugs.report + 1] - np.arange(len(drugs.report)) - 1
        sizes = np.bincount(drugs.name, weights=partners, minlength=drugs.names).astype(np.int64)
        found = [np.zeros((5, 0), dtype=np.int64)]
        for part in blocks(sizes, rows_at_once):
            rows = drugs.by_name[drugs.name_start[part.start] : drugs.name_start[part.stop]]
            first = np.repeat(rows, partners[rows])
            pair = drugs.name[first] * drugs.names + drugs.name[ranges(rows + 1, partners[rows])]
            found += _triples(pair, drugs.report[first], reactions, minimum_reports, rows_at_once, drugs.names)
        return self._counted(np.concatenate(found, axis=1), rows_at_once)

    def triples_of(self, triples: Sequence[tuple[str, str, str]]) -> TripleArrays:
        """Counts of a few triples (drug 1, drug 2, reaction), in the order given, n_111 = 0 included.

        The cost is that of the reports of their drugs and reactions. Raises `UnknownTermError`, naming the nearest, for
        a name that no report has, and `ParameterError` for a drug with itself.
        """
        rows = []
        for one, two, reaction in triples:
            if one == two:
                raise ParameterError(f"the two drugs must differ, not both be {one!r}")
            d1, d2 = (_number("drug", name, self.drug_names) for name in (one, two))
            r = _number("reaction", reaction, self.reaction_names)
            both = np.intersect1d(self._drugs.reports_of(d1), self._drugs.reports_of(d2), assume_unique=True)
            n_111 = len(np.intersect1d(both, self._reactions.reports_of(r), assume_unique=True))
            rows.append((d1, d2, r, n_111, len(both)))
        return self._counted(np.array(rows, dtype=np.int64).reshape(-1, 5).T, _ROWS_AT_ONCE)

    def _counted(self, found: _Integers, rows_at_once: int) -> TripleArrays:
        """Triples (drug 1, drug 2, reaction, n_111, n_11) with the counts of one drug alone, and of neither."""
        d1, d2, reaction, n_111, n_11 = found
        size = len(self.reaction_names)
        with_1, with_2 = (self._pairs(each * size + reaction, rows_at_once) for each in (d1, d2))
        n_1, n_2 = self._drugs.margin[d1], self._drugs.margin[d2]
        n_reaction = self._reactions.margin[reaction]
        return TripleArrays(
            self.drug_names, self.reaction_names, d1, d2, reaction,
            n_111=n_111, n_11=n_11,
            n_101=with_1 - n_111, n_10=n_1 - n_11,
            n_011=with_2 - n_111, n_01=n_2 - n_11,
            n_001=n_reaction - with_1 - with_2 + n_111, n_00=self.report_count - n_1 - n_2 + n_11,
        )  # fmt: skip

    def _pairs(self, wanted: _Integers, rows_at_once: int) -> _Integers:
        """Reports of each drug with each reaction, by drug number times reactions plus reaction number."""
        size = len(self.reaction_names)
        distinct, position = np.unique(wanted, return_inverse=True)
        counts = np.zeros(len(distinct), dtype=np.int64)
        drug = np.unique(distinct // max(size, 1))
        start, length = self._drugs.name_start[drug], self._drugs.margin[drug]
        lists = self._reactions.sizes(self._drugs.report[self._drugs.by_name[ranges(start, length)]])
        begin = np.cumsum(length) - length
        for part in blocks(np.add.reduceat(lists, begin) if len(drug) else lists, rows_at_once):
            rows = self._drugs.by_name[ranges(start[part], length[part])]
            key = ordered(_opened(self._drugs.name[rows], self._drugs.report[rows], self._reactions))
            first, count = runs(key)
            at = np.minimum(np.searchsorted(distinct, key[first]), len(distinct) - 1)
            is_wanted = distinct[at] == key[first]
            counts[at[is_wanted]] = count[is_wanted]
        return counts[position]


def _coded(name: str, text: pl.Series, first_row: int) -> tuple[list[str], _Integers]:
    """The distinct values of a column, sorted, and the number of each row's."""
    empty = text.is_null() | (text.str.strip_chars() == "")
    if len(text) and (empty | text.str.to_lowercase().is_in(MISSING_WORDS)).all():
        raise ParameterError(f"column {name} has no value in any row")
    if empty.any():
        raise ParameterError(f"column {name} has no value in row {first_row + int(empty.arg_max() or 0)}")
    values = text.unique().sort()
    return values.to_list(), text.cast(pl.Enum(values)).to_physical().cast(pl.Int64).to_numpy()


def _number(kind: str, name: str, known: tuple[str, ...]) -> int:
    number = bisect_left(known, name)
    if number == len(known) or known[number] != name:
        raise unknown_term(kind, name, known)
    return number


def _opened(label: _Integers, report: _Integers, reactions: Incidence) -> _Integers:
    """Label times reactions plus reaction, for each reaction of each row's report."""
    lists = reactions.sizes(report)
    reaction = reactions.name[ranges(reactions.report_start[report], lists)]
    opened: _Integers = np.repeat(label, lists) * reactions.names + reaction
    return opened


def _triples(
    pair: _Integers, report: _Integers, reactions: Incidence, least: int, rows_at_once: int, drugs: int
) -> list[_Integers]:
    """Drugs 1 and 2, reaction, n_111 and n_11 of the triples that enough reports hold, from all rows of some pairs."""
    order = np.argsort(pair, kind="stable")
    first, count = runs(pair[order])
    kept = count >= least
    rows = order[ranges(first[kept], count[kept])]
    names, count = pair[order][first[kept]], count[kept]
    number = np.repeat(np.arange(len(count)), count)
    start = np.cumsum(count) - count
    found = []
    lists = reactions.sizes(report[rows])
    for part in blocks(np.add.reduceat(lists, start) if len(start) else start, rows_at_once):
        some = slice(start[part.start], start[part.stop - 1] + count[part.stop - 1])
        key = ordered(_opened(number[some], report[rows[some]], reactions))
        place, n_111 = runs(key)
        place, n_111 = place[n_111 >= least], n_111[n_111 >= least]
        of_pair, reaction = key[place] // reactions.names, key[place] % reactions.names
        found.append(np.stack([names[of_pair] // drugs, names[of_pair] % drugs, reaction, n_111, count[of_pair]]))
    return found
