"""Drawing the reports of one month at one ward: numbers first, all at once, then words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec
import numpy as np
import numpy.typing as npt

from cases import TermKind
from connectors.generator.model import BYSTANDERS, DRUGS, ELDERLY_YEARS, REACTIONS, drug_cdf, reaction_cdf
from connectors.generator.words import FAMILY_NAMES, GIVEN_NAMES, UNMAPPED_REACTIONS, narrative
from connectors.generator.writer import Report, ReportedDrug, ReportedReaction
from connectors.pv_core import default_vocabulary, preferred_codes

__all__ = ["MonthOfReports", "Ward"]

_WOMEN_SHARE = 0.52
_GRAVE = frozenset(
    {
        "Anaphylaxis", "Angioedema", "Gastrointestinal bleeding", "Intracranial bleeding", "Lactic acidosis",
        "Ketoacidosis", "Severe blistering skin reaction", "Muscle breakdown", "Tendon rupture", "Liver injury",
        "Lung scarring", "Long QT", "Slow breathing", "Seizure", "Low white cells", "Acute kidney injury",
        "High potassium", "Infusion reaction",
    }
)  # fmt: skip
_MORE_REACTIONS = (0.40, 0.12, 0.03)  # chance of at least two, three, four
_SECOND_SUSPECT, _CONCOMITANT = 0.08, 0.35
_CHANCES = 34


class Ward:
    """The patients of one hospital, each the same person in every report."""

    def __init__(self, name: str, *, patients: int, old_share: float, rng: np.random.Generator) -> None:
        self.name = name
        self.patients = patients
        self.is_old = rng.random(patients) < old_share
        self.is_woman = rng.random(patients) < _WOMEN_SHARE
        young = 1 + 64 * rng.beta(2.2, 1.6, patients)
        old = ELDERLY_YEARS + 30 * rng.beta(1.6, 2.4, patients)
        self.age_years = np.where(self.is_old, old, np.minimum(young, ELDERLY_YEARS - 1.01))
        self.names = rng.random((patients, 2))


class MonthOfReports:
    """`size` reports of one month, spread evenly, by time."""

    def __init__(
        self, ward: Ward, *, month: int, first: datetime, size: int, r5_share: float, rng: np.random.Generator
    ) -> None:
        self._ward, self._month, self._r5_share = ward, month, r5_share
        self._days = np.sort(rng.random(size)) * 30.4
        self._first = first
        self._patient = rng.integers(0, ward.patients, size)
        self._row = 2 * ward.is_old[self._patient] + ward.is_woman[self._patient]
        self._chances = rng.random((size, _CHANCES))
        cdf = drug_cdf()
        self._drug = np.empty((size, 3), dtype=np.int64)  # suspect, second suspect, concomitant
        for row in range(4):
            mask = self._row == row
            self._drug[mask] = np.searchsorted(cdf[row], rng.random((int(mask.sum()), 3)))
        self._reaction = _draw_reactions(month, self._drug[:, 0], self._row, rng)
        self._others = rng.integers(0, len(REACTIONS), (size, 8))
        vocabulary = default_vocabulary()
        self._drug_words = _words(vocabulary.synonyms(TermKind.DRUG), DRUGS)
        self._reaction_words = _words(vocabulary.synonyms(TermKind.REACTION), REACTIONS)
        self._drug_codes = {name: code.code for name, code in preferred_codes(TermKind.DRUG).items()}
        self._reaction_codes = {name: code.code for name, code in preferred_codes(TermKind.REACTION).items()}

    def reports(self) -> Iterator[tuple[Report, list[float]]]:
        """Each report with eight numbers in [0, 1) that decide its fate."""
        for number in range(len(self._days)):
            chances: list[float] = self._chances[number].tolist()
            yield self._report(number, chances), chances[26:34]

    def next_version(self, report: Report, what: str, at: datetime, chances: Sequence[float]) -> Report:
        """The report's next version: a follow-up with other reactions, or entered in error."""
        if what != "follow-up":
            return msgspec.structs.replace(report, version=report.version + 1, updated_at=at, status="entered-in-error")
        words, extra = list(report.reactions), int(chances[3] * len(REACTIONS))
        added = self._reacted(REACTIONS[extra], chances[4])
        if chances[5] < 0.25 and len(words) > 1:
            words.pop()
        elif chances[5] < 0.6:
            words[-1] = added
        elif added not in words:
            words.append(added)
        text = f"{report.narrative} Follow-up: the report was completed after review."
        return msgspec.structs.replace(
            report, version=report.version + 1, updated_at=at, reactions=tuple(words), narrative=text
        )

    def _report(self, number: int, chances: list[float]) -> Report:
        ward, patient = self._ward, int(self._patient[number])
        at = self._first + timedelta(days=float(self._days[number]))
        names = [DRUGS[index] for index in self._drug[number]]
        suspects = [names[0]]
        if (bystander := BYSTANDERS.get(names[0])) and chances[0] < bystander[1]:
            suspects.append(bystander[0])
        elif chances[0] < _SECOND_SUSPECT and names[1] != names[0]:
            suspects.append(names[1])
        wanted = 1 + sum(chances[1] < share for share in _MORE_REACTIONS)
        happened = list(dict.fromkeys(REACTIONS[index] for index in self._reaction[number, :wanted]))
        is_old, is_woman = bool(ward.is_old[patient]), bool(ward.is_woman[patient])
        is_grave = not _GRAVE.isdisjoint(happened)
        is_serious = chances[2] < (0.75 if is_grave else 0.12) + (0.1 if is_old else 0.0)
        is_fatal = is_serious and chances[3] < 0.04
        drugs = tuple(self._named(name, chances[4 + place]) for place, name in enumerate(suspects))
        reactions = tuple(self._reacted(name, chances[6 + place]) for place, name in enumerate(happened))
        others = [REACTIONS[index] for index in self._others[number] if REACTIONS[index] not in happened]
        age = int(ward.age_years[patient])
        concomitant = names[2] if chances[10] < _CONCOMITANT and names[2] not in suspects else ""
        given, family = ward.names[patient].tolist()
        return Report(
            case_id=f"{ward.name}-{self._month:02d}-{number:06d}",
            version=1,
            updated_at=at.replace(microsecond=0),
            event_day=(at - timedelta(days=int(chances[11] * 21))).date(),
            patient_id=f"{ward.name}-p{patient:06d}",
            given_name=GIVEN_NAMES[is_woman][int(given * len(GIVEN_NAMES[0]))],
            family_name=FAMILY_NAMES[int(family * len(FAMILY_NAMES))],
            is_woman=is_woman,
            birth_day=date(at.year - age - 1, 1 + int(given * 12), 1 + int(family * 28)),
            suspects=drugs,
            concomitant=self._named(concomitant, chances[12]) if concomitant else None,
            reactions=reactions,
            is_serious=is_serious,
            is_fatal=is_fatal,
            narrative=narrative(
                age=age,
                is_woman=is_woman,
                drug=drugs[0].words,
                reactions=[reaction.words for reaction in reactions],
                others=[self._other(name, chances[13]) for name in (*others[:2], "Fever", "Rash")],
                is_serious=is_serious,
                is_fatal=is_fatal,
                chances=chances[14:23],
            ),
            shape=chances[24],
            is_r5=chances[25] < self._r5_share,
        )

    def _named(self, name: str, chance: float) -> ReportedDrug:
        synonyms = self._drug_words[name]
        if chance < 0.75:
            return ReportedDrug(name, self._drug_codes[name])
        words = synonyms[int(chance * 997) % len(synonyms)]
        return ReportedDrug(words, self._drug_codes[name] if chance < 0.9 else "")

    def _reacted(self, name: str, chance: float) -> ReportedReaction:
        synonyms = self._reaction_words[name]
        if chance < 0.7:
            return ReportedReaction(_lower(name), self._reaction_codes[name])
        if chance > 0.97:
            return ReportedReaction(UNMAPPED_REACTIONS[int(chance * 997) % len(UNMAPPED_REACTIONS)])
        words = synonyms[int(chance * 997) % len(synonyms)]
        return ReportedReaction(words, self._reaction_codes[name] if chance < 0.82 else "")

    def _other(self, name: str, chance: float) -> str:
        synonyms = self._reaction_words[name]
        return synonyms[int(chance * 997) % len(synonyms)]


def _draw_reactions(
    month: int, drug: npt.NDArray[np.int64], row: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Four reactions a report, shape (reports, 4); repeated ones fall together later."""
    cdf = reaction_cdf(month)[drug, row]
    draws = rng.random((len(drug), 4))
    found: npt.NDArray[np.int64] = (cdf[:, None, :] < draws[:, :, None]).sum(axis=2)
    return np.minimum(found, len(REACTIONS) - 1)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _words(synonyms: Mapping[str, str], names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in names}
    for synonym, name in synonyms.items():
        if name in found:
            found[name].append(synonym if synonym != name else _lower(name))
    return found
