"""The safety case: what every source is turned into and all statistics are folds over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from cases.drug_use import DrugUse
from cases.errors import ParameterError
from cases.reaction import Assertion, Reaction
from cases.seriousness import Seriousness
from cases.stratum import AgeBand, Sex, Stratum
from cases.term import Provenance
from cases.version import CaseVersion

__all__ = ["Case", "CaseKey", "Contribution"]


class CaseKey(msgspec.Struct, frozen=True, order=True):
    """What makes two reports the same case: the source that holds it and the source's id."""

    source: str
    case_id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.case_id}"


class Contribution(msgspec.Struct, frozen=True):
    """What a case adds to the tables: its distinct counted drugs and reactions; every pair counts once.

    A case that lacks either adds nothing, not even to the number of reports.
    """

    drugs: tuple[str, ...]
    reactions: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Distinct drug-reaction pairs, ordered by drug, then reaction."""
        return tuple((drug, reaction) for drug in self.drugs for reaction in self.reactions)

    def __bool__(self) -> bool:
        return bool(self.drugs and self.reactions)


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one individual case safety report, without anything that names a person.

    Parameters
    ----------
    source, case_id
        Together the key of the case (`key`).
    version
        Its place in the case's history.
    patient
        Pseudonym under the site's key (`cases.pseudonym`); never a record's own patient id.
    received_at
        When the site took the record in; timezone-aware. Decides the epoch.
    is_nullified
        The source took the case back; nothing of it counts any more.
    drugs, reactions
        As coded and as read in the narrative; provenance tells which.
    seriousness, sex, age_years, country
        As the source states them; absent is a state of its own. `age_years` lies in [0, 150).
    event_date
        When the event happened, as the source writes it (YYYY, YYYY-MM or YYYY-MM-DD ...).
    cues
        Words of a public list that the narrative holds (`detectors.narrative`), for the triage model. The
        narrative itself stays with the raw record.
    raw_position
        Where the raw record lies (topic partition and offset, or file and line).

    Examples
    --------
    >>> from cases import CaseVersion, DrugRole, DrugUse, Provenance, Reaction, Term
    >>> case = Case(
    ...     source="ward-7", case_id="4711", version=CaseVersion(datetime(2026, 1, 5, tzinfo=UTC)), patient="p1",
    ...     received_at=datetime(2026, 1, 5, tzinfo=UTC),
    ...     drugs=(DrugUse(Term("warfarin", Provenance.CODED), DrugRole.SUSPECT),),
    ...     reactions=(Reaction(Term("Haemorrhage", Provenance.CODED)),))
    >>> case.contribution(with_narrative=False).pairs
    (('warfarin', 'Haemorrhage'),)
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    source: str
    case_id: str
    version: CaseVersion
    patient: str
    received_at: datetime
    is_nullified: bool = False
    drugs: tuple[DrugUse, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    seriousness: Seriousness = Seriousness()
    sex: Sex = Sex.UNKNOWN
    age_years: float | None = None
    country: str | None = None
    event_date: str | None = None
    cues: tuple[str, ...] = ()
    raw_position: str = ""
    schema_version: int = 0

    def __post_init__(self) -> None:
        if not (self.source and self.case_id and self.patient):
            raise ParameterError("source, case_id and patient must not be empty")
        if self.received_at.tzinfo is None:
            raise ParameterError("received_at must carry a time zone")
        if self.received_at.tzinfo is not UTC:
            msgspec.structs.force_setattr(self, "received_at", self.received_at.astimezone(UTC))
        if self.age_years is not None and not 0 <= self.age_years < 150:
            raise ParameterError("age_years must lie in [0, 150)")
        if self.schema_version == 0:
            msgspec.structs.force_setattr(self, "schema_version", self.SCHEMA_VERSION)
        elif self.schema_version != self.SCHEMA_VERSION:
            raise ParameterError(f"schema_version must be {self.SCHEMA_VERSION}, not {self.schema_version!r}")

    @property
    def key(self) -> CaseKey:
        """Source and id, the same for all versions of the case."""
        return CaseKey(self.source, self.case_id)

    @property
    def stratum(self) -> Stratum:
        """Sex, age band and seriousness, for stratified tables."""
        serious = {True: "serious", False: "non-serious", None: "unknown"}[self.seriousness.is_serious]
        return Stratum(self.sex, AgeBand.of(self.age_years), serious)

    def contribution(self, *, with_narrative: bool) -> Contribution:
        """Distinct counted drugs and reactions, sorted; empty for a nullified case.

        `with_narrative` is the protocol's switch: whether items read in the narrative count like coded ones.
        """
        if self.is_nullified:
            return Contribution((), ())
        drugs = {
            use.drug.name
            for use in self.drugs
            if use.drug.name is not None
            and use.role.is_counted
            and (with_narrative or use.drug.provenance is not Provenance.NARRATIVE)
        }
        reactions = {
            item.reaction.name
            for item in self.reactions
            if item.reaction.name is not None
            and item.assertion is Assertion.PRESENT
            and (with_narrative or item.reaction.provenance is not Provenance.NARRATIVE)
        }
        return Contribution(tuple(sorted(drugs)), tuple(sorted(reactions)))
