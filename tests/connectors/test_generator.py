"""The generated hospitals: reproducible, valid FHIR, with the truth and the dirt that they claim to hold."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import islice

import numpy as np
import pytest

from cases import CaseDraft, DeadLetterReason, IgnoreReason, ParameterError, RecordError, TermKind
from connectors import Ignored, default_vocabulary, read
from connectors.fhir import report
from connectors.generator import ConfounderKind, GeneratorSource, HospitalGenerator, PlayedRecord
from connectors.generator.dirt import BROKEN_KINDS

SMALL = HospitalGenerator(seed=7, records=3000)
Played = list[tuple[PlayedRecord, str, CaseDraft | None]]
Rows = list[tuple[set[str], set[str], CaseDraft]]
LETTERS = {str(reason) for reason in DeadLetterReason}


@pytest.fixture(scope="module")
def played() -> Played:
    """A whole default play, each record with what reading it gives."""
    found = []
    generator = HospitalGenerator(seed=7)
    for hospital in generator.hospitals:
        source = GeneratorSource(7, name=hospital.name, hospital=hospital.name)
        for record in generator.play(hospital.name):
            draft: CaseDraft | None = None
            try:
                draft = read(source.record(record))
                outcome = "nullified" if draft.is_nullified else "case"
            except RecordError as error:
                outcome = error.reason
            except Ignored as ignored:
                outcome = ignored.reason
            found.append((record, outcome, draft))
    return found


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    first = list(SMALL.play("hill"))
    assert first == list(HospitalGenerator(seed=7, records=3000).play("hill"))
    assert first != list(HospitalGenerator(seed=8, records=3000).play("hill"))


@pytest.mark.parametrize("hospital", ["north", "harbour", "hill"])
def test_records_arrive_in_order_inside_the_months(hospital: str) -> None:
    moments = [record.at for record in SMALL.play(hospital)]
    assert moments == sorted(moments)
    assert SMALL.start <= moments[0].date()
    assert moments[-1].date() < SMALL.end + timedelta(days=1)
    assert SMALL.end == date(2026, 1, 1)


def test_every_record_becomes_what_its_kind_says(played: Played) -> None:
    whole = {"report": "case", "follow-up": "case", "duplicate": "case", "nullification": "nullified"}
    whole |= {"deletion": "nullified"}
    for record, outcome, _ in played:
        assert outcome == whole.get(record.kind, record.kind)
    counts = Counter(record.kind for record, _, _ in played)
    assert 19_000 < counts["report"] < 20_000
    assert min(counts[kind] for kind in BROKEN_KINDS) >= 10
    assert set(BROKEN_KINDS) <= LETTERS | {str(IgnoreReason.POTENTIAL)}
    assert counts["follow-up"] > 900
    assert counts["duplicate"] > 300
    assert counts["nullification"] > 150
    assert counts["deletion"] > 60


def test_hospitals_differ_in_size_and_version(played: Played) -> None:
    sizes = Counter(record.record_id.partition("-")[0] for record, _, _ in played)
    assert sizes["north"] > 1.5 * sizes["harbour"] > 2.2 * sizes["hill"]
    newer = [record for record, _, _ in played if b'"occurrenceDateTime"' in record.payload]
    r5 = Counter(record.record_id.partition("-")[0] for record in newer)
    assert 0.1 < r5["north"] / sizes["north"] < 0.2
    assert 0.8 < r5["harbour"] / sizes["harbour"] < 0.95


def test_bundles_have_the_size_of_real_ones(played: Played) -> None:
    sizes = np.array([len(record.payload) for record, _, _ in played if record.payload])
    assert 1_500 < np.median(sizes) < 3_000
    assert np.quantile(sizes, 0.999) < 5_500


def test_follow_ups_change_reactions_under_a_higher_version(
    played: Played,
) -> None:
    first = {draft.case_id: draft for record, _, draft in played if record.kind == "report" and draft}
    changed = 0
    for record, _, draft in played:
        if record.kind in ("follow-up", "nullification", "deletion") and draft and draft.case_id in first:
            assert draft.version > first[draft.case_id].version
            changed += record.kind == "follow-up" and draft.reactions != first[draft.case_id].reactions
    assert changed > 900


def test_what_is_written_is_valid_by_fhir_resources() -> None:
    sound = ("report", "follow-up", "duplicate", "nullification")
    for hospital in SMALL.hospitals:
        source = GeneratorSource(7, name=hospital.name, hospital=hospital.name, records=3000)
        for record in islice((record for record in SMALL.play(hospital.name) if record.kind in sound), 120):
            assert report(source.record(record)) == []


def test_narratives_have_two_to_six_sentences_and_name_what_happened(
    played: Played,
) -> None:
    texts = [draft.narrative for record, _, draft in played if record.kind == "report" and draft]
    sentences = [text.rpartition("\n\n")[2].count(".") for text in texts]
    assert min(sentences) >= 2
    assert max(sentences) <= 6
    assert sum(" no " in text or "denied" in text or "without" in text for text in texts) > len(texts) / 5
    assert sum("history" in text or "childhood" in text or "years ago" in text for text in texts) > len(texts) / 8


@pytest.fixture(scope="module")
def table(played: Played) -> Rows:
    vocabulary = default_vocabulary()
    rows = []
    for _, _, draft in played:
        if draft is None or draft.is_nullified:
            continue
        drugs = {
            vocabulary.find(TermKind.DRUG, codes=drug.codes, text=drug.text).name
            for drug in draft.drugs
            if drug.role.is_counted
        }
        reactions = {
            vocabulary.find(TermKind.REACTION, codes=reaction.codes, text=reaction.text).name
            for reaction in draft.reactions
        }
        rows.append(({name for name in drugs if name}, {name for name in reactions if name}, draft))
    return rows


class TestTruth:
    """Planted pairs stand out, confounders do so only until they are looked at within their stratum."""

    @staticmethod
    def _counts(rows: Rows, drug: str, reaction: str) -> tuple[int, float]:
        """Reports of the pair and how many its margins suggest."""
        with_drug = [reactions for drugs, reactions, _ in rows if drug in drugs]
        without = [reactions for drugs, reactions, _ in rows if drug not in drugs]
        observed = sum(reaction in reactions for reactions in with_drug)
        background = sum(reaction in reactions for reactions in without) / len(without)
        return observed, background * len(with_drug)

    def test_names_are_of_the_vocabulary(self) -> None:
        vocabulary = default_vocabulary()
        assert set(SMALL.drugs) <= set(vocabulary.names(TermKind.DRUG))
        assert set(SMALL.reactions) <= set(vocabulary.names(TermKind.REACTION))
        named = [(pair.drug, pair.reaction) for pair in SMALL.planted]
        named += [(confounder.drug, confounder.reaction) for confounder in SMALL.confounders]
        assert {drug for drug, _ in named} <= set(SMALL.drugs)
        assert {reaction for _, reaction in named} <= set(SMALL.reactions)

    def test_strong_pairs_have_the_excess_a_noisy_hub_can_see(self, table: Rows) -> None:
        excess = {}
        for pair in SMALL.planted:
            observed, expected = self._counts(table, pair.drug, pair.reaction)
            assert observed > expected
            excess[pair] = observed - expected
        strong = [pair for pair, reports in excess.items() if reports >= 40]
        weak = [pair for pair, reports in excess.items() if reports < 20]
        assert len(strong) >= 20
        assert 3 <= len(weak) <= 6

    def test_confounders_look_true_and_vanish_within_their_stratum(self, table: Rows) -> None:
        for confounder in SMALL.confounders:
            observed, expected = self._counts(table, confounder.drug, confounder.reaction)
            assert observed > 1.35 * expected
            if confounder.kind is ConfounderKind.AGE:
                strata = [
                    [row for row in table if row[2].age_years is not None and (row[2].age_years >= 65) is is_old]
                    for is_old in (False, True)
                ]
            elif confounder.kind is ConfounderKind.SEX:
                strata = [[row for row in table if row[2].sex.value == sex] for sex in ("female", "male")]
            else:
                strata = [[row for row in table if "diclofenac" not in row[0]]]
            counts = [self._counts(rows, confounder.drug, confounder.reaction) for rows in strata]
            seen, due = sum(found for found, _ in counts), sum(suggested for _, suggested in counts)
            assert (observed - expected) / expected**0.5 > 3
            assert (seen - due) / due**0.5 < 3

    def test_some_words_are_not_of_the_vocabulary(self, table: Rows) -> None:
        unmapped = sum(not reactions or len(reactions) < len(draft.reactions) for _, reactions, draft in table)
        assert 0.02 < unmapped / len(table) < 0.1


def test_patients_come_back(played: Played) -> None:
    first = [draft.patient_id for record, _, draft in played if record.kind == "report" and draft]
    assert 1.2 < len(first) / len(set(first)) < 2.0


@pytest.mark.parametrize("settings", [{"seed": -1}, {"months": 0}, {"records": 0}, {"hospitals": ()}])
def test_parameters_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match="must be"):
        HospitalGenerator(**{"seed": 1, **settings})  # type: ignore[arg-type]  # wrong on purpose


def test_an_unknown_hospital() -> None:
    with pytest.raises(ParameterError, match="north, harbour, hill"):
        next(SMALL.play("south"))
