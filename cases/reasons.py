"""Why a record did not become a counted case: the closed lists that metrics, tables and dead letters share.

The values outlive a process (metric labels, files): they are added to, never changed.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DeadLetterReason", "IgnoreReason"]


class DeadLetterReason(StrEnum):
    """A record that should have become a case and could not; it is kept."""

    TRUNCATED = "truncated"  # a compressed or line-based file that ends too early
    INVALID_ENCODING = "invalid-encoding"  # bytes that are not UTF-8
    INVALID_JSON = "invalid-json"
    WRONG_RESOURCE_TYPE = "wrong-resource-type"  # not FHIR, or not what the record claims to be
    INVALID_STRUCTURE = "invalid-structure"  # an element has a shape the standard does not know
    UNKNOWN_MODIFIER = "unknown-modifier"  # FHIR: a modifierExtension not understood forbids processing
    MISSING_ID = "missing-id"
    DUPLICATE_ID = "duplicate-id"  # two different records under one id and one version
    MISSING_SUBJECT = "missing-subject"
    SUBJECT_NOT_PATIENT = "subject-not-patient"
    INVALID_DATE = "invalid-date"
    FUTURE_DATE = "future-date"
    NO_DRUG = "no-drug"
    NO_REACTION = "no-reaction"
    UNRESOLVED_REFERENCE = "unresolved-reference"
    CIRCULAR_REFERENCE = "circular-reference"
    TOO_MANY_REFERENCES = "too-many-references"
    OVERSIZED = "oversized"


class IgnoreReason(StrEnum):
    """A record that rightly does not become a case of its own; it is counted, not kept."""

    NULLIFICATION = "nullification"  # takes an earlier case back; nothing of its own to count
    NULLIFIED_BEFORE_SEEN = "nullified-before-seen"
    POTENTIAL = "potential"  # FHIR actuality `potential`: a near miss
    NOT_DONE = "not-done"  # every suspect drug was not given, or entered in error
    CONTEXT = "context"  # a Patient, Medication ... that only serves other records
    NOT_ADVERSE_EVENT = "not-adverse-event"
    ENTERED_IN_ERROR_UNSEEN = "entered-in-error"
