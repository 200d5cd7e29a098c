"""Intake: a raw record becomes a case, or a reason why not. Pure: no Kafka, no clock, no disk.

    raw record ─► reader ─► draft ─► newer than what the index knows? ─► coding, pseudonym, narrative ─► case

The index (`streams.case_index`) comes in as an argument and the entries to keep go out with the outcome, so that the
same step runs embedded, on Kafka and in tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from cases import (
    Case,
    CaseDraft,
    CaseKey,
    CaseVersion,
    DeadLetter,
    DeadLetterReason,
    DraftDrug,
    DraftReaction,
    DrugUse,
    IgnoreReason,
    ParameterError,
    RawRecord,
    Reaction,
    RecordError,
    TermKind,
    Vocabulary,
    encode_case,
    pseudonymise,
)
from connectors.readers import Ignored as IgnoredByReader
from connectors.readers import read
from detectors.narrative import NarrativeReader
from streams.case_index import UNSEEN_PATIENT, CaseIndex, IndexEntry, IndexState
from streams.outcome import Accepted, DeadLettered, Ignored, Outcome, Superseded

__all__ = ["MAXIMUM_CASE_BYTES", "Intake"]

_DIGEST_BYTES = 16
_MEMORY_LIMIT = 65_536  # coded items remembered; names repeat, so the hit rate is near one
_LONG_RECORD_BYTES = 64 * 1024  # a shorter record cannot give too long a case
MAXIMUM_CASE_BYTES = 900_000  # what the case log takes
_encoder = msgspec.json.Encoder()


class Intake:
    """Turns raw records into cases.

    Parameters
    ----------
    vocabulary
        Codes and words to ingredients and preferred terms; what it does not know stays unmapped.
    pseudonym_key
        The site's secret, at least 32 bytes.
    read_narratives
        Whether free text is read; what it finds has provenance `narrative`.
    reader
        From record to draft; the connectors' dispatch by default.
    """

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        pseudonym_key: bytes,
        read_narratives: bool,
        reader: Callable[[RawRecord], CaseDraft] = read,
    ) -> None:
        pseudonymise("checks the key", key=pseudonym_key)
        self._vocabulary = vocabulary
        self._key = pseudonym_key
        self._digest_key = hashlib.blake2b(pseudonym_key, person=b"kelsey digest").digest()
        self._narratives = NarrativeReader(vocabulary) if read_narratives else None
        self._read = reader
        self._drugs: dict[DraftDrug, DrugUse] = {}
        self._reactions: dict[DraftReaction, Reaction] = {}

    def step(self, record: RawRecord, index: CaseIndex) -> Outcome:
        """What becomes of one record; raises nothing that depends on the record.

        Of two versions the newer wins whatever order they come in. A version equal to the known one is a redelivery if
        it says the same and a dead letter (`duplicate-id`) if not. A nullification wins over versions up to its own.
        """
        try:
            if record.fault:
                raise RecordError(record.fault, record.position)
            return self._decide(record, self._read(record), index)
        except IgnoredByReader as ignored:
            return self._ignored(record, ignored, index)
        except RecordError as error:
            return DeadLettered(DeadLetter.of(record, reason=error.reason, detail=error.detail))
        except ParameterError:
            return self._unreadable(record, "a value is outside its range")
        except Exception as error:  # noqa: BLE001 -- foreign data: whatever a reader trips over must not stop the line
            return self._unreadable(record, f"reader failed with {type(error).__name__}")

    def pseudonym(self, patient_id: str) -> str:
        """The patient's pseudonym at this site."""
        return pseudonymise(patient_id, key=self._key)

    @staticmethod
    def _unreadable(record: RawRecord, detail: str) -> DeadLettered:
        return DeadLettered(DeadLetter.of(record, reason=DeadLetterReason.INVALID_STRUCTURE, detail=detail))

    def _decide(self, record: RawRecord, draft: CaseDraft, index: CaseIndex) -> Outcome:
        if not draft.case_id:
            raise RecordError(DeadLetterReason.MISSING_ID)
        key = str(CaseKey(record.source, draft.case_id))
        known = index.get(key)
        if draft.is_nullified:
            return self._nullify(record, draft, key, known)
        if not draft.patient_id:
            raise RecordError(DeadLetterReason.MISSING_SUBJECT)
        digest = self._digest(draft)
        if known is not None and known.version >= draft.version:
            if known.state is IndexState.UNSEEN:
                return Ignored(IgnoreReason.NULLIFIED_BEFORE_SEEN, key)
            if known.version == draft.version and known.digest and known.digest != digest:
                raise RecordError(DeadLetterReason.DUPLICATE_ID, "same id and version, other content")
            return Superseded(key)
        case = self._case(record, draft)
        is_replaced = known is not None and known.state is IndexState.LIVE
        cases: tuple[Case, ...] = (case,)
        if known is not None and is_replaced and known.patient != case.patient:
            cases = (_nullification(case.source, case.case_id, case.version, known.patient, record), case)
        return Accepted(key, IndexEntry(case.version, case.patient, IndexState.LIVE, digest), cases, is_replaced)

    def _ignored(self, record: RawRecord, ignored: IgnoredByReader, index: CaseIndex) -> Outcome:
        """An event that is none of ours, or not any more: then an earlier version of it does not stay counted."""
        draft = ignored.retraction
        if draft is None or not draft.case_id:
            return Ignored(ignored.reason)
        key = str(CaseKey(record.source, draft.case_id))
        outcome = self._nullify(record, draft, key, index.get(key))
        return msgspec.structs.replace(outcome, reason=ignored.reason) if isinstance(outcome, Ignored) else outcome

    def _nullify(self, record: RawRecord, draft: CaseDraft, key: str, known: IndexEntry | None) -> Outcome:
        version = draft.version
        if known is None:
            patient = self.pseudonym(draft.patient_id) if draft.patient_id else UNSEEN_PATIENT
            state, reason = IndexState.UNSEEN, IgnoreReason.ENTERED_IN_ERROR_UNSEEN
        elif known.state is IndexState.LIVE:
            if version < known.version:
                return Superseded(key)
            if version == known.version:  # it must win everywhere, so it takes the next place
                version = CaseVersion(version.updated_at, version.sequence + 1)
            patient, state, reason = known.patient, IndexState.NULLIFIED, IgnoreReason.NULLIFICATION
        elif version <= known.version:
            return Superseded(key)
        else:
            patient, state, reason = known.patient, known.state, IgnoreReason.NULLIFICATION
        case = _nullification(record.source, draft.case_id, version, patient, record)
        return Ignored(
            reason,
            key,
            IndexEntry(version, patient, state),
            (case,),
            replaces=known is not None and known.state is IndexState.LIVE,
        )

    def _digest(self, draft: CaseDraft) -> bytes:
        # sex, age and country belong to the patient's own record, which changes on a clock of its own
        said = (draft.patient_id, draft.drugs, draft.reactions, draft.seriousness, draft.event_date, draft.narrative)
        return hashlib.blake2b(_encoder.encode(said), digest_size=_DIGEST_BYTES, key=self._digest_key).digest()

    def _case(self, record: RawRecord, draft: CaseDraft) -> Case:
        drugs = [self._drug(item) for item in draft.drugs]
        reactions = [self._reaction(item) for item in draft.reactions]
        cues: tuple[str, ...] = ()
        if self._narratives is not None and draft.narrative:
            findings = self._narratives.read(draft.narrative)
            drugs += findings.drugs
            reactions += findings.reactions
            cues = findings.cues
        if not drugs:
            raise RecordError(DeadLetterReason.NO_DRUG)
        if not reactions:
            raise RecordError(DeadLetterReason.NO_REACTION)
        case = Case(
            source=record.source,
            case_id=draft.case_id,
            version=draft.version,
            patient=self.pseudonym(draft.patient_id),
            received_at=record.received_at,
            drugs=tuple(dict.fromkeys(drugs)),
            reactions=tuple(dict.fromkeys(reactions)),
            seriousness=draft.seriousness,
            sex=draft.sex,
            age_years=draft.age_years,
            country=draft.country,
            event_date=draft.event_date,
            cues=cues,
            raw_position=record.position,
        )
        if len(record.payload) > _LONG_RECORD_BYTES and len(encode_case(case)) > MAXIMUM_CASE_BYTES:
            raise RecordError(DeadLetterReason.OVERSIZED, f"the case has more than {MAXIMUM_CASE_BYTES} bytes")
        return case

    def _drug(self, item: DraftDrug) -> DrugUse:
        known = self._drugs.get(item)
        if known is None:
            term = self._vocabulary.find(
                TermKind.DRUG, codes=item.codes, text=item.text, is_display_only=item.is_display_only
            )
            known = DrugUse(term, item.role)
            if len(self._drugs) >= _MEMORY_LIMIT:
                self._drugs.clear()
            self._drugs[item] = known
        return known

    def _reaction(self, item: DraftReaction) -> Reaction:
        known = self._reactions.get(item)
        if known is None:
            known = Reaction(self._vocabulary.find(TermKind.REACTION, codes=item.codes, text=item.text))
            if len(self._reactions) >= _MEMORY_LIMIT:
                self._reactions.clear()
            self._reactions[item] = known
        return known


def _nullification(source: str, case_id: str, version: CaseVersion, patient: str, record: RawRecord) -> Case:
    return Case(
        source=source,
        case_id=case_id,
        version=version,
        patient=patient,
        received_at=record.received_at,
        is_nullified=True,
        raw_position=record.position,
    )
