"""The VAERS reader: one report of the U.S. Vaccine Adverse Event Reporting System to one case draft.

The drug is the product name (VAX_NAME) and the reaction the coded term, both as published.

Seriousness: DIED, L_THREAT, HOSPITAL, X_STAY, DISABLE and BIRTH_DEFECT are the tick boxes of one question of the
report form; the data guide gives `Y` where a box was ticked and a blank "otherwise". So one tick makes a report
serious by that criterion, and six blanks are how the source says that no box was ticked: non-serious, as CDC itself
tabulates such reports. A blank is never read as a denial of one criterion beside another that is ticked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta

import msgspec

from cases import (
    CaseDraft,
    CaseVersion,
    DeadLetterReason,
    DraftDrug,
    DraftReaction,
    DrugRole,
    RawRecord,
    RecordError,
    Seriousness,
    SeriousnessCriterion,
    Sex,
)

__all__ = [
    "MAXIMUM_NARRATIVE_CHARACTERS",
    "VaersReport",
    "day_of",
    "drug_names",
    "reaction_terms",
    "read_vaers",
]

MAXIMUM_NARRATIVE_CHARACTERS = 1 << 20

_FLAGS: tuple[tuple[str, SeriousnessCriterion], ...] = (
    ("DIED", SeriousnessCriterion.DEATH),
    ("L_THREAT", SeriousnessCriterion.LIFE_THREATENING),
    ("HOSPITAL", SeriousnessCriterion.HOSPITALISATION),
    ("X_STAY", SeriousnessCriterion.HOSPITALISATION),
    ("DISABLE", SeriousnessCriterion.DISABILITY),
    ("BIRTH_DEFECT", SeriousnessCriterion.CONGENITAL_ANOMALY),
)
_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE}
_SYMPTOMS = ("SYMPTOM1", "SYMPTOM2", "SYMPTOM3", "SYMPTOM4", "SYMPTOM5")
_NOT_SERIOUS = Seriousness(False)
_OLDEST_YEARS = 150


class VaersReport(msgspec.Struct, frozen=True):
    """Payload of the format ``vaers``: the non-empty cells of a report's rows in the three tables."""

    data: dict[str, str]
    vax: list[dict[str, str]] = []
    symptoms: list[dict[str, str]] = []


_decoder = msgspec.json.Decoder(VaersReport)


def drug_names(rows: Iterable[dict[str, str]]) -> Iterator[str]:
    """Product names in rows of the VAX table, as published."""
    return (name for row in rows if (name := row.get("VAX_NAME", "").strip()))


def reaction_terms(rows: Iterable[dict[str, str]]) -> Iterator[str]:
    """Coded terms in rows of the SYMPTOMS table, as published."""
    return (term for row in rows for column in _SYMPTOMS if (term := row.get(column, "").strip()))


def day_of(text: str) -> date | None:
    """The day of a VAERS date (month/day/year), None where it is none."""
    try:
        month, day, year = text.split("/")
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def read_vaers(record: RawRecord) -> CaseDraft:
    """The case draft of a record of the format ``vaers``; its patient is the report itself.

    Raises `RecordError`: invalid-json, invalid-encoding, invalid-structure, missing-id, no-drug, no-reaction,
    oversized. An onset that is no date, or lies after the day of receipt, is left out: nothing is counted by it.
    """
    try:
        report = _decoder.decode(record.payload)
    except UnicodeDecodeError as error:
        raise RecordError(DeadLetterReason.INVALID_ENCODING, "not UTF-8") from error
    except msgspec.ValidationError as error:
        raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "not a VAERS report") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError(DeadLetterReason.INVALID_JSON, "not JSON") from error
    data = report.data
    case_id = data.get("VAERS_ID", "").strip() or record.record_id
    if not case_id:
        raise RecordError(DeadLetterReason.MISSING_ID, "VAERS_ID")
    drugs = dict.fromkeys(drug_names(report.vax))
    if not drugs:
        raise RecordError(DeadLetterReason.NO_DRUG, "VAX_NAME")
    terms = dict.fromkeys(reaction_terms(report.symptoms))
    if not terms:
        raise RecordError(DeadLetterReason.NO_REACTION, "SYMPTOM1")
    narrative = data.get("SYMPTOM_TEXT", "").strip()
    if len(narrative) > MAXIMUM_NARRATIVE_CHARACTERS:
        raise RecordError(DeadLetterReason.OVERSIZED, "SYMPTOM_TEXT")
    criteria = [criterion for column, criterion in _FLAGS if data.get(column, "") in ("Y", "y")]
    return CaseDraft(
        case_id=case_id,
        version=CaseVersion(record.received_at),
        patient_id=f"vaers:{case_id}",
        drugs=tuple(DraftDrug(role=DrugRole.SUSPECT, text=name) for name in drugs),
        reactions=tuple(DraftReaction(text=term) for term in terms),
        seriousness=Seriousness.of(*criteria) if criteria else _NOT_SERIOUS,
        sex=_SEXES.get(data.get("SEX", ""), Sex.UNKNOWN),
        age_years=_age(data),
        event_date=_onset(data, record.received_at),
        narrative=narrative,
    )


def _age(data: Mapping[str, str]) -> float | None:
    """AGE_YRS, else CAGE_YR plus CAGE_MO (a fraction of a year); None outside [0, 150)."""
    parts = [data["AGE_YRS"]] if "AGE_YRS" in data else [data[name] for name in ("CAGE_YR", "CAGE_MO") if name in data]
    try:
        age = sum(map(float, parts)) if parts else -1.0
    except ValueError:
        return None
    return age if 0 <= age < _OLDEST_YEARS else None


def _onset(data: Mapping[str, str], received_at: datetime) -> str | None:
    onset = day_of(data["ONSET_DATE"]) if "ONSET_DATE" in data else None
    if onset is None or onset > received_at.date() + timedelta(days=1):
        return None
    return onset.isoformat()
