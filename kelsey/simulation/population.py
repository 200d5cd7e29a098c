r"""Patients who report: few popular drugs and reactions, many rare ones, some true associations, some follow-ups.

The i-th drug and the i-th reaction have a popularity in proportion to 1 / (i + 5). A patient takes a number of drugs
that is geometric, and reports once or more; each report names a geometric number of reactions. Drugs and
reactions are drawn independently, but for the true associations: there a report of the drug names the reaction RR times
as often. A reaction added so counts with the patient's other drugs as well, as it does in life.

With 1 million reports, 500 drugs and 1000 reactions: about 804,000 patients and 4.6 million distinct pairs of patient
and cell; a fifth of the cells empty, four in ten with 1 to 3; counts of the true associations with a median of about
35, the middle 80 % from about 7 to 200.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kelsey.simulation.settings import SimulationSettings

__all__ = ["PatientPairs", "Population"]

_RANK_OFFSET = 5
_PATIENTS_PER_REPORT = 0.804
_MOST_DRUGS, _MOST_REACTIONS, _MOST_VISITS = 10, 12, 16
_DRUG_STOP, _REACTION_STOP = 0.5, 0.43  # chance that a list ends after another item
_RATIOS = (2.0, 4.0, 8.0)
_TASTE = 0.55  # true associations lie among pairs in proportion to their expected count to this power,
_TASTE_RANGE = (1 / 6, 9.0)  # as far as it is so many times that of a mean pair
_CHUNK = 200_000  # patients at once

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PatientPairs:
    """What some patients reported: each distinct pair of a patient once, with the report that named it first.

    Parameters
    ----------
    patient_count, visit_limit, report_count
        Patients numbered from 0; reports of a patient numbered from 0 to below `visit_limit`; reports of all of them.
    patient, visit, cell
        One row a pair, sorted by patient, then cell; int64.
    """

    patient_count: int
    visit_limit: int
    report_count: int
    patient: _Ints
    visit: _Ints
    cell: _Ints


@dataclass(frozen=True, slots=True)
class Population:
    """Popularities and true associations; patients are drawn from it.

    Parameters
    ----------
    drug_share, reaction_share
        Popularities, each adding up to 1.
    signal_cell, signal_ratio
        Cells (drug index times number of reactions, plus reaction index) with their true ratio, above 1.

    Examples
    --------
    >>> settings = SimulationSettings(sites=2, reports=1000, epsilons=(1.0,), drugs=20, reactions=30, signals=3)
    >>> random = np.random.default_rng(1)
    >>> population = Population.draw(settings, random)
    >>> (pairs,) = population.patients(settings.reports, random)
    >>> pairs.patient_count, population.signal_cell.size
    (804, 3)
    """

    drug_share: NDArray[np.float64]
    reaction_share: NDArray[np.float64]
    signal_cell: _Ints
    signal_ratio: NDArray[np.float64]

    @classmethod
    def draw(cls, settings: SimulationSettings, random: np.random.Generator) -> Self:
        """Popularities, and `settings.signals` cells whose ratios are 2, 4 and 8 in turn."""
        drug, reaction = _popularities(settings.drugs), _popularities(settings.reactions)
        share = np.outer(drug, reaction).ravel()
        low, high = (times / share.size for times in _TASTE_RANGE)
        taste = np.where((share >= low) & (share <= high), share**_TASTE, 0.0)
        cells = random.choice(taste.size, settings.signals, replace=False, p=taste / taste.sum())
        return cls(drug, reaction, cells.astype(np.int64), np.resize(_RATIOS, settings.signals))

    def patients(self, reports: int, random: np.random.Generator) -> Iterator[PatientPairs]:
        """About `reports` reports of 0.804 times as many patients, some hundred thousand patients at a time."""
        left = max(1, round(reports * _PATIENTS_PER_REPORT))
        while left:
            count = min(left, _CHUNK)
            yield self._chunk(count, random)
            left -= count

    def _chunk(self, count: int, random: np.random.Generator) -> PatientPairs:
        visits = np.minimum(random.geometric(_PATIENTS_PER_REPORT, count), _MOST_VISITS)
        drug_count = np.minimum(random.geometric(_DRUG_STOP, count), _MOST_DRUGS)
        drug = _choose(self.drug_share, int(drug_count.sum()), random)
        drug_start = np.concatenate(([0], np.cumsum(drug_count)[:-1]))

        report_patient = np.repeat(np.arange(count), visits)
        report_visit = _within(visits)
        reaction_count = np.minimum(random.geometric(_REACTION_STOP, report_patient.size), _MOST_REACTIONS)
        report = np.repeat(np.arange(report_patient.size), reaction_count)
        reaction = _choose(self.reaction_share, report.size, random)
        extra_report, extra_reaction = self._associated(report_patient, drug, drug_count, drug_start, random)
        report = np.concatenate([report, extra_report])
        reaction = np.concatenate([reaction, extra_reaction])

        owner = report_patient[report]
        repeats = drug_count[owner]  # every reaction counts with every drug of the patient
        owner_row = np.repeat(owner, repeats)
        taken = drug[drug_start[owner_row] + _within(repeats)]
        cells = self.drug_share.size * self.reaction_share.size
        cell = taken * self.reaction_share.size + np.repeat(reaction, repeats)
        key = np.sort((owner_row * cells + cell) * _MOST_VISITS + np.repeat(report_visit[report], repeats))
        pair = key // _MOST_VISITS
        is_first = np.concatenate(([True], pair[1:] != pair[:-1]))
        pair = pair[is_first]
        return PatientPairs(
            count, _MOST_VISITS, report_patient.size, pair // cells, key[is_first] % _MOST_VISITS, pair % cells
        )

    def _associated(
        self, report_patient: _Ints, drug: _Ints, drug_count: _Ints, drug_start: _Ints, random: np.random.Generator
    ) -> tuple[_Ints, _Ints]:
        """Reports and reactions that the true associations add."""
        # rows of report and drug, by drug; a drug that a patient's list holds twice counts once, as its pairs do
        repeats = drug_count[report_patient]
        row_report = np.repeat(np.arange(report_patient.size), repeats)
        row_drug = drug[np.repeat(drug_start[report_patient], repeats) + _within(repeats)]
        rows = np.unique(row_drug * report_patient.size + row_report)
        bounds = np.searchsorted(rows, np.arange(self.drug_share.size + 1) * report_patient.size)
        reports: list[_Ints] = [np.empty(0, dtype=np.int64)]
        reactions: list[_Ints] = [np.empty(0, dtype=np.int64)]
        for cell, ratio in zip(self.signal_cell.tolist(), self.signal_ratio.tolist(), strict=True):
            d, r = divmod(cell, self.reaction_share.size)
            named = _named(float(self.reaction_share[r]))
            chance = min(1.0, (ratio - 1) * named / (1 - named))  # named + (1 - named) * chance = ratio * named
            own = rows[bounds[d] : bounds[d + 1]] % report_patient.size
            found = own[random.random(own.size) < chance]
            reports.append(found)
            reactions.append(np.full(found.size, r, dtype=np.int64))
        return np.concatenate(reports), np.concatenate(reactions)


def _popularities(count: int) -> NDArray[np.float64]:
    raw = 1.0 / (np.arange(1, count + 1) + _RANK_OFFSET)
    return np.asarray(raw / raw.sum())


def _choose(share: NDArray[np.float64], size: int, random: np.random.Generator) -> _Ints:
    """Items by their share; far faster than `Generator.choice`."""
    edges = np.cumsum(share)
    found = np.searchsorted(edges, random.random(size) * edges[-1], side="right")
    return np.asarray(np.minimum(found, share.size - 1), dtype=np.int64)


def _within(counts: _Ints) -> _Ints:
    """0, 1, ... within each group of these sizes."""
    total = int(counts.sum())
    return np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)


def _named(share: float) -> float:
    """Chance that a report names a reaction of this share at least once."""
    lengths = np.arange(1, _MOST_REACTIONS + 1)
    chance = _REACTION_STOP * (1 - _REACTION_STOP) ** (lengths - 1)
    chance[-1] = 1 - chance[:-1].sum()
    return float(chance @ (1 - (1 - share) ** lengths))
