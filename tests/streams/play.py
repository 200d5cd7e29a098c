"""Small plays for the tests: FHIR records of cases with a history, and what must be counted, by independent code.

The oracle knows nothing of the product: it takes the newest entry of every case and counts in plain dictionaries.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

from cases import RawRecord
from privacy.protocol import SurveillanceProtocol

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
DRUGS = ("warfarin", "aspirin", "ibuprofen", "metformin")
REACTIONS = ("Haemorrhage", "Rash", "Nausea")
Tables = tuple[Counter[tuple[str, str]], Counter[str], Counter[str], int]


@dataclass(frozen=True)
class Entry:
    """One version of one case; without drugs it is a nullification, with `is_deleted` one that names nobody."""

    case_id: str
    number: int
    patient: str
    drugs: tuple[str, ...] = ()
    reactions: tuple[str, ...] = ()
    is_serious: bool = False
    is_deleted: bool = False

    @property
    def is_nullified(self) -> bool:
        return not self.drugs

    def record(self, *, source: str = "ward", received_at: datetime | None = None) -> RawRecord:
        """As a source gives it."""
        at = START + timedelta(minutes=self.number)
        received = received_at or at
        if self.is_deleted:
            return RawRecord(
                source=source,
                record_id=self.case_id,
                format="fhir",
                payload=b"",
                received_at=received,
                is_deleted=True,
                version_id=str(self.number),
                updated_at=at,
            )
        event: dict[str, object] = {
            "resourceType": "AdverseEvent",
            "id": self.case_id,
            "meta": {"versionId": str(self.number), "lastUpdated": at.isoformat()},
            "actuality": "actual",
            "subject": {"reference": f"Patient/{self.patient}"},
            "seriousness": {"coding": [{"code": "serious" if self.is_serious else "non-serious"}]},
        }
        if self.is_nullified:
            event["status"] = "entered-in-error"
        else:
            event |= {
                "code": {"text": self.reactions[0]},
                "resultingEffect": [{"concept": {"text": reaction}} for reaction in self.reactions[1:]],
                "suspectEntity": [{"instanceCodeableConcept": {"text": drug}} for drug in self.drugs],
            }
        return RawRecord(
            source=source,
            record_id=self.case_id,
            format="fhir",
            payload=json.dumps(event).encode(),
            received_at=received,
        )


def newest(entries: Iterable[Entry]) -> dict[str, Entry]:
    """What is true of each case in the end, whatever order its entries came in."""
    best: dict[str, Entry] = {}
    for entry in entries:
        known = best.get(entry.case_id)
        # of two entries of one number the nullification wins: nothing may stay counted that was taken back
        if known is None or (entry.number, entry.is_nullified) > (known.number, known.is_nullified):
            best[entry.case_id] = entry
    return best


def tables(entries: Iterable[Entry]) -> Tables:
    """Pairs, drugs, reactions and reports by plain counting of distinct reports."""
    pairs: Counter[tuple[str, str]] = Counter()
    drugs: Counter[str] = Counter()
    reactions: Counter[str] = Counter()
    reports = 0
    for entry in newest(entries).values():
        if entry.is_nullified:
            continue
        reports += 1
        for drug in set(entry.drugs):
            drugs[drug] += 1
            for reaction in set(entry.reactions):
                pairs[drug, reaction] += 1
        for reaction in set(entry.reactions):
            reactions[reaction] += 1
    return pairs, drugs, reactions, reports


def patients_by_coordinate(entries: Iterable[Entry], under: SurveillanceProtocol) -> Counter[int]:
    """Distinct patients with a live report of each pair, and of its drug and reaction: what ample wallets pay."""
    holders = set()
    for entry in newest(entries).values():
        for drug, reaction in product(entry.drugs, entry.reactions):
            cell = under.cell(drug, reaction)
            assert cell is not None
            holders |= {(entry.patient, at) for at in (cell, under.layout.drug(cell), under.layout.reaction(cell))}
    return Counter(at for _, at in holders)


def random_play(seed: int, *, cases: int, prefix: str = "", patients: int | None = None) -> list[Entry]:
    """A seeded play: four in five cases have one version, others follow-ups, another patient, or are taken back."""
    chance = random.Random(seed)
    people = patients or max(2, cases // 2)
    play: list[Entry] = []
    for number in range(cases):
        case_id = f"{prefix}case-{number:06d}"
        versions = 1 if chance.random() < 0.8 else chance.randint(2, 4)
        patient = f"{prefix}p{chance.randrange(people)}"
        for version in range(1, versions + 1):
            if version > 1 and chance.random() < 0.1:
                patient = f"{prefix}p{chance.randrange(people)}"
            if version > 1 and chance.random() < 0.3:
                play.append(Entry(case_id, version, patient, is_deleted=chance.random() < 0.5))
                continue
            drugs = tuple(prefix + name for name in chance.sample(DRUGS, chance.randint(1, 2)))
            reactions = tuple(prefix + name for name in chance.sample(REACTIONS, chance.randint(1, 2)))
            play.append(Entry(case_id, version, patient, drugs, reactions, is_serious=chance.random() < 0.3))
    return play


def disordered(play: Sequence[Entry], seed: int, *, again: float = 0.1) -> list[Entry]:
    """The same entries out of order within a window, some of them delivered again."""
    chance = random.Random(seed)
    order = [(place + chance.uniform(0, 50), entry) for place, entry in enumerate(play)]
    order += [(place + chance.uniform(0, 400), entry) for place, entry in enumerate(play) if chance.random() < again]
    return [entry for _, entry in sorted(order, key=lambda item: item[0])]
