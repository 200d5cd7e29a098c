"""Counts of distinct reports by drug, reaction and pair: kept current one report at a time, forwards and backwards.

All measures are functions of these counts, so that a new case costs its own pairs and not the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from cases import ParameterError, UnknownTermError
from detectors._columnar import columnar_counts
from detectors._counts import PAIR_STRIDE, Counts
from detectors._names import Names
from detectors._pair_columns import PairColumns
from detectors._series import Column
from detectors._snapshot import decode_snapshot, encode_snapshot
from detectors._stratum_label import NO_STRATUM, Label, label_of
from detectors.cell import Cell
from detectors.pair_arrays import PairArrays

__all__ = ["CountTable"]


class CountTable:
    """Incremental counts by distinct report, in total and by stratum, with retraction.

    The counting unit is the report: a pair that a report names twice counts once, a report with three drugs adds one to
    the number of reports, and a report without a drug or without a reaction adds nothing. Adding costs the report's
    own pairs, whatever the table's size. Two tables are equal if their counts are, whatever way they came about.

    Not safe to change from two threads at once.

    Examples
    --------
    >>> table = CountTable()
    >>> table.update(["warfarin", "aspirin"], ["Haemorrhage"])
    >>> table.update(["aspirin"], ["Rash"])
    >>> table.pair("aspirin", "Haemorrhage")
    Cell(n=1, n_drug=2, n_reaction=1, n_total=2)
    >>> table.retract(["warfarin", "aspirin"], ["Haemorrhage"])
    >>> table.report_count, ("aspirin", "Haemorrhage") in table
    (1, False)
    """

    def __init__(self) -> None:
        self._drugs = Names("drug")
        self._reactions = Names("reaction")
        self._total = Counts()
        self._strata: dict[tuple[str, ...], Counts] = {}

    # --- from other forms ---------------------------------------------------------------------------------------

    @classmethod
    def from_counts(cls, counts: Iterable[tuple[str, str, int]]) -> CountTable:
        """A table of reports that each name one drug and one reaction: (drug, reaction, how many), at least 0."""
        table = cls()
        for drug, reaction, count in counts:
            if not count >= 0:
                raise ParameterError(f"the count of ({drug!r}, {reaction!r}) must be at least 0, not {count!r}")
            if count:
                table._change([drug], [reaction], NO_STRATUM, count)
        return table

    @classmethod
    def from_reports(
        cls,
        case_id: Column,
        drug: Column,
        reaction: Column,
        strata: Mapping[str, Column] | None = None,
        *,
        first_row: int = 0,
    ) -> CountTable:
        """A table of reports in columns, one row a pair that the report names.

        Parameters
        ----------
        case_id, drug, reaction
            Columns of equal length (lists, numpy arrays, polars series, and what speaks Arrow's PyCapsule interface, as
            pyarrow arrays do; categorical or not); rows may come in any order and repeat. A report counts the pairs of
            its rows, not all combinations of its drugs and reactions.
        strata
            Further columns, by name, that divide the reports; the label of a report is the tuple of its values as
            text, in the order of the mapping, where a missing value is ``"unknown"``. Without them, all reports have
            the stratum that `update` takes for granted.
        first_row
            What messages call the first row.

        Raises
        ------
        ParameterError
            Columns of unequal length, or of lists or records; a missing or empty case id, drug or reaction; a column
            with no value at all; a report that two rows put into different strata. Names the column and the row.
        """
        label = label_of(NO_STRATUM)
        return cls._of(*columnar_counts(case_id, drug, reaction, strata, first_row=first_row, default=label))

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> CountTable:
        """A new table from what `snapshot` gave; raises `IntegrityError` where that contradicts itself."""
        return cls._of(*decode_snapshot(snapshot))

    @classmethod
    def _of(cls, drugs: list[str], reactions: list[str], strata: dict[tuple[str, ...], Counts]) -> CountTable:
        """A table of counts that are known to be right; takes them as its own."""
        table = cls()
        table._drugs.numbers(drugs, is_new_allowed=True)
        table._reactions.numbers(reactions, is_new_allowed=True)
        for label, counts in strata.items():
            table._merge(label, counts)
        return table

    # --- changing -----------------------------------------------------------------------------------------------

    def update(self, drugs: Sequence[str], reactions: Sequence[str], stratum: Label = NO_STRATUM) -> None:
        """Count one report with all combinations of its drugs and reactions; nothing if it lacks either.

        Raises `ParameterError`, and changes nothing, if a name is blank or a text stands where a list of them should.
        """
        self._change(drugs, reactions, stratum, 1)

    def retract(self, drugs: Sequence[str], reactions: Sequence[str], stratum: Label = NO_STRATUM) -> None:
        """Take one report back: the inverse of `update` with the same arguments.

        Raises `ParameterError`, and changes nothing, if the table holds no such report.
        """
        self._change(drugs, reactions, stratum, -1)

    def _change(self, drugs: Sequence[str], reactions: Sequence[str], stratum: Label, by: int) -> None:
        if isinstance(drugs, str) or isinstance(reactions, str):
            raise ParameterError("drugs and reactions must be lists of names, not one text")
        if not drugs or not reactions:
            return
        label = label_of(stratum)
        drug_ids = self._drugs.numbers(drugs, is_new_allowed=by > 0)
        reaction_ids = self._reactions.numbers(reactions, is_new_allowed=by > 0)
        pairs = [drug * PAIR_STRIDE + reaction for drug in drug_ids for reaction in reaction_ids]
        held = self._strata.get(label)
        if by < 0 and (held is None or not held.holds(drug_ids, reaction_ids, pairs)):
            raise ParameterError(
                "the table holds no such report",
                hint="retract takes exactly what update was given, its stratum included",
            )
        counts = self._part(label) if held is None else held
        counts.change(drug_ids, reaction_ids, pairs, by)
        if counts is not self._total:
            self._total.change(drug_ids, reaction_ids, pairs, by)
        if not counts.reports:
            del self._strata[label]

    def _part(self, label: tuple[str, ...]) -> Counts:
        """Counts of a stratum, new ones if it has none; the first stratum is the total itself until another comes."""
        if not self._strata:
            self._strata[label] = self._total
        elif label not in self._strata:
            if self._total in self._strata.values():
                self._total = self._total.copy()
            self._strata[label] = Counts()
        return self._strata[label]

    def _merge(self, label: tuple[str, ...], counts: Counts) -> None:
        part = self._part(label)
        part.merge(counts)
        if part is not self._total:
            self._total.merge(counts)

    def merge(self, other: CountTable) -> None:
        """Add all counts of a table of other reports; `other` stays as it is."""
        drugs = np.array(self._drugs.numbers(other._drugs.names, is_new_allowed=True), dtype=np.int64)
        reactions = np.array(self._reactions.numbers(other._reactions.names, is_new_allowed=True), dtype=np.int64)
        for label, counts in list(other._strata.items()):
            self._merge(label, counts.renumbered(drugs, reactions))

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def report_count(self) -> int:
        """Distinct reports with at least one drug and one reaction."""
        return self._total.reports

    @property
    def pair_count(self) -> int:
        """Pairs with at least one report."""
        return len(self._total.pairs)

    @property
    def strata(self) -> tuple[tuple[str, ...], ...]:
        """Labels of the strata that hold reports, sorted."""
        return tuple(sorted(self._strata))

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Whether at least one report names both."""
        drug, reaction = (names.get(name) for names, name in zip((self._drugs, self._reactions), pair, strict=True))
        if drug is None or reaction is None:
            return False
        return self._total.pairs.of([drug * PAIR_STRIDE + reaction]) != [0]

    def __eq__(self, other: object) -> bool:
        return self.snapshot() == other.snapshot() if isinstance(other, CountTable) else NotImplemented

    def _ids(self, drug: str, reaction: str) -> tuple[int, int]:
        """Numbers of a drug and a reaction that have reports; raises `UnknownTermError` for others."""
        found = []
        for names, name, margins in (
            (self._drugs, drug, self._total.drugs),
            (self._reactions, reaction, self._total.reactions),
        ):
            number = names.get(name)
            if number is None or number not in margins:
                live = [names.names[other] for other in margins]
                near = ", ".join(map(repr, get_close_matches(name, live, n=3)))
                raise UnknownTermError(
                    f"no report names the {names.kind} {name!r}", hint=f"the nearest are {near}" if near else ""
                )
            found.append(number)
        return found[0], found[1]

    def pair(self, drug: str, reaction: str) -> Cell:
        """Counts of one pair, with n = 0 where no report names both.

        Raises `UnknownTermError`, naming the nearest terms, if no report names the drug or none the reaction.
        """
        drug_id, reaction_id = self._ids(drug, reaction)
        total = self._total
        n = total.pairs.of([drug_id * PAIR_STRIDE + reaction_id])[0]
        return Cell(n, total.drugs[drug_id], total.reactions[reaction_id], total.reports)

    def arrays_of(self, pairs: Sequence[tuple[str, str]], *, stratified: bool = False) -> PairArrays:
        """Columns of a few pairs, in the order given; the cost is theirs alone, whatever the table's size.

        Raises `UnknownTermError` like `pair`.
        """
        ids = [self._ids(drug, reaction) for drug, reaction in pairs]
        total = self._total
        reported = total.pairs.of([drug * PAIR_STRIDE + reaction for drug, reaction in ids])
        rows = [
            (n, total.drugs[drug], total.reactions[reaction], total.reports)
            for n, (drug, reaction) in zip(reported, ids, strict=True)
        ]
        counts = np.array(rows, dtype=np.int64).reshape(-1, 4)
        n, n_drug, n_reaction, n_total = counts.T
        if stratified:
            strata = [self._strata[label] for label in self.strata]
            sums = [
                sum(s.drugs.get(drug, 0) * s.reactions.get(reaction, 0) / s.reports for s in strata)
                for drug, reaction in ids
            ]
            expected = np.array(sums, dtype=np.float64)
        else:
            expected = n_drug.astype(np.float64) * n_reaction / n_total
        row = np.arange(len(ids), dtype=np.int64)
        drug_names, reaction_names = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
        return PairArrays(drug_names, reaction_names, row, row, n, n_drug, n_reaction, n_total, expected)

    def arrays(self, *, stratum: Label | None = None, stratified: bool = False) -> PairArrays:
        """Columns of all pairs with at least one report, sorted by (drug, reaction) by Unicode code point.

        Parameters
        ----------
        stratum
            Only the reports of this stratum; all by default. Raises `UnknownTermError` if it holds none.
        stratified
            Sum the expected count over the strata, which adjusts for what divides them: a stratum that lacks the drug
            or the reaction adds 0 to it.
        """
        counts = self._total
        if stratum is not None:
            found = self._strata.get(label_of(stratum))
            if found is None:
                raise UnknownTermError(f"no report has the stratum {label_of(stratum)!r}")
            counts = found
        columns = PairColumns(counts, self._drugs, self._reactions)
        if stratified and stratum is None:
            return columns.stratified_arrays([self._strata[label] for label in self.strata])
        return columns.arrays()

    def arrays_by_stratum(self) -> dict[tuple[str, ...], PairArrays]:
        """The pairs of `arrays`, row by row, counted within each stratum; labels sorted.

        A pair, a drug or a reaction that a stratum lacks counts 0 there.
        """
        columns = PairColumns(self._total, self._drugs, self._reactions)
        return {label: columns.arrays(self._strata[label]) for label in self.strata}

    def snapshot(self) -> dict[str, Any]:
        """The counts as plain, versioned JSON values; equal tables give equal snapshots."""
        return encode_snapshot(self._drugs, self._reactions, self._strata)
