"""A record as a reader understood it, before the vocabulary and before the patient's name is taken off.

Readers (FHIR, VAERS, later E2B) all end here, so that coding, pseudonyms and narrative reading exist once. A draft
holds patient data and lives only inside intake.
"""

from __future__ import annotations

import msgspec

from cases.drug_use import DrugRole
from cases.seriousness import Seriousness
from cases.stratum import Sex
from cases.term import Code
from cases.version import CaseVersion

__all__ = ["CaseDraft", "DraftDrug", "DraftReaction"]


class DraftDrug(msgspec.Struct, frozen=True, kw_only=True):
    """A drug as the record names it: its codes in the record's order, and its text."""

    role: DrugRole
    codes: tuple[Code, ...] = ()
    text: str = ""
    is_display_only: bool = False


class DraftReaction(msgspec.Struct, frozen=True, kw_only=True):
    """A reaction as the record names it."""

    codes: tuple[Code, ...] = ()
    text: str = ""


class CaseDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What one record says, in the record's own words.

    Parameters
    ----------
    case_id, version
        As the source numbers them.
    patient_id
        The source's own patient id, namespaced; "" only for a nullification that does not name one.
    is_nullified
        The record takes its case back (entered in error).
    narrative
        All free text of the record, parts joined by blank lines.
    """

    case_id: str
    version: CaseVersion
    patient_id: str
    is_nullified: bool = False
    drugs: tuple[DraftDrug, ...] = ()
    reactions: tuple[DraftReaction, ...] = ()
    seriousness: Seriousness = Seriousness()
    sex: Sex = Sex.UNKNOWN
    age_years: float | None = None
    country: str | None = None
    event_date: str | None = None
    narrative: str = ""
