"""The domain: safety cases, drugs, reactions, codes and vocabularies. Pure, and imports nothing else of Kelsey."""

from cases.case import Case, CaseKey, Contribution
from cases.codec import decode_case, encode_case
from cases.draft import CaseDraft, DraftDrug, DraftReaction
from cases.drug_use import DrugRole, DrugUse
from cases.errors import (
    ConfigurationError,
    IntegrityError,
    KelseyError,
    ParameterError,
    RecordError,
    ServiceError,
    UnknownTermError,
)
from cases.pseudonym import pseudonymise
from cases.reaction import Assertion, Reaction
from cases.reasons import DeadLetterReason, IgnoreReason
from cases.record import (
    DeadLetter,
    RawRecord,
    decode_dead_letter,
    decode_raw_chunk,
    encode_dead_letter,
    encode_raw_chunk,
)
from cases.seriousness import Seriousness, SeriousnessCriterion
from cases.stratum import AgeBand, Sex, Stratum
from cases.term import Code, Provenance, Term
from cases.version import CaseVersion
from cases.vocabulary import TermKind, Vocabulary

__all__ = [
    "AgeBand",
    "Assertion",
    "Case",
    "CaseDraft",
    "CaseKey",
    "CaseVersion",
    "Code",
    "ConfigurationError",
    "Contribution",
    "DeadLetter",
    "DeadLetterReason",
    "DraftDrug",
    "DraftReaction",
    "DrugRole",
    "DrugUse",
    "IgnoreReason",
    "IntegrityError",
    "KelseyError",
    "ParameterError",
    "Provenance",
    "RawRecord",
    "Reaction",
    "RecordError",
    "Seriousness",
    "SeriousnessCriterion",
    "ServiceError",
    "Sex",
    "Stratum",
    "Term",
    "TermKind",
    "UnknownTermError",
    "Vocabulary",
    "decode_case",
    "decode_dead_letter",
    "decode_raw_chunk",
    "encode_case",
    "encode_dead_letter",
    "encode_raw_chunk",
    "pseudonymise",
]
