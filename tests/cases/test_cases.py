"""The domain: what a case is, how it is ordered, what it contributes, and that its JSON round-trips."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import (
    AgeBand,
    Assertion,
    Case,
    CaseVersion,
    Code,
    DeadLetter,
    DrugRole,
    DrugUse,
    IntegrityError,
    ParameterError,
    Provenance,
    RawRecord,
    Reaction,
    Seriousness,
    SeriousnessCriterion,
    Sex,
    Stratum,
    Term,
    decode_case,
    decode_dead_letter,
    decode_raw_chunk,
    encode_case,
    encode_dead_letter,
    encode_raw_chunk,
    pseudonymise,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

terms = st.builds(
    Term,
    st.one_of(st.none(), st.text(min_size=1, max_size=12)),
    st.sampled_from(Provenance),
    st.one_of(st.none(), st.builds(Code, st.text(max_size=8), st.text(min_size=1, max_size=8))),
)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
case_strategy = st.builds(
    Case,
    source=st.text(min_size=1, max_size=8),
    case_id=st.text(min_size=1, max_size=8),
    version=st.builds(CaseVersion, moments, st.integers(0, 99)),
    patient=st.text(min_size=1, max_size=8),
    received_at=moments,
    is_nullified=st.booleans(),
    drugs=st.lists(st.builds(DrugUse, terms, st.sampled_from(DrugRole)), max_size=4).map(tuple),
    reactions=st.lists(st.builds(Reaction, terms, st.sampled_from(Assertion)), max_size=4).map(tuple),
    seriousness=st.builds(Seriousness, st.sampled_from([None, True, False])),
    sex=st.sampled_from(Sex),
    age_years=st.one_of(st.none(), st.floats(0, 120)),
    event_date=st.sampled_from([None, "2026", "2026-03", "2026-03-01"]),
)


def case(**changes: object) -> Case:
    fields: dict[str, object] = {
        "source": "ward",
        "case_id": "1",
        "version": CaseVersion(NOW),
        "patient": "p",
        "received_at": NOW,
    }
    return Case(**{**fields, **changes})  # type: ignore[arg-type]  # the tests pass wrong values on purpose


@given(case_strategy)
def test_json_round_trip_is_exact(one: Case) -> None:
    assert decode_case(encode_case(one)) == one
    assert encode_case(decode_case(encode_case(one))) == encode_case(one)


@given(case_strategy)
def test_contribution_is_distinct_sorted_and_empty_when_nullified(one: Case) -> None:
    contribution = one.contribution(with_narrative=True)
    assert list(contribution.pairs) == sorted(set(contribution.pairs))
    if one.is_nullified:
        assert not contribution
    assert set(one.contribution(with_narrative=False).pairs) <= set(contribution.pairs)


def test_only_counted_roles_present_reactions_and_coded_items_contribute() -> None:
    one = case(
        drugs=(
            DrugUse(Term("warfarin", Provenance.CODED), DrugRole.SUSPECT),
            DrugUse(Term("warfarin", Provenance.TEXT), DrugRole.INTERACTING),
            DrugUse(Term("aspirin", Provenance.CODED), DrugRole.CONCOMITANT),
            DrugUse(Term("ibuprofen", Provenance.NARRATIVE), DrugRole.SUSPECT),
            DrugUse(Term(None, Provenance.TEXT), DrugRole.SUSPECT),
        ),
        reactions=(
            Reaction(Term("Bleeding", Provenance.CODED)),
            Reaction(Term("Rash", Provenance.NARRATIVE)),
            Reaction(Term("Fever", Provenance.NARRATIVE), Assertion.NEGATED),
        ),
    )
    assert one.contribution(with_narrative=False).pairs == (("warfarin", "Bleeding"),)
    assert one.contribution(with_narrative=True).drugs == ("ibuprofen", "warfarin")
    assert one.contribution(with_narrative=True).reactions == ("Bleeding", "Rash")


@pytest.mark.parametrize("field", ["source", "case_id", "patient"])
def test_a_case_without_identity_is_refused(field: str) -> None:
    with pytest.raises(ParameterError, match="must not be empty"):
        case(**{field: ""})


@pytest.mark.parametrize("age", [-1.0, 150.0, float("nan")])
def test_an_age_outside_its_range_is_refused_without_being_repeated(age: float) -> None:
    with pytest.raises(ParameterError) as caught:
        case(age_years=age)
    assert str(age) not in str(caught.value).replace("150)", "")


def test_a_time_without_zone_is_refused_and_other_zones_become_utc() -> None:
    with pytest.raises(ParameterError, match="time zone"):
        case(received_at=NOW.replace(tzinfo=None))
    east = NOW.astimezone(timezone(timedelta(hours=3)))
    assert case(received_at=east, version=CaseVersion(east)) == case()
    assert encode_case(case(received_at=east, version=CaseVersion(east))) == encode_case(case())


def test_a_case_of_another_schema_or_with_unknown_shape_is_refused() -> None:
    with pytest.raises(ParameterError, match="schema_version"):
        case(schema_version=2)
    for data in (b"{}", b"[1]", b"{", encode_case(case()).replace(b'"schema_version":1', b'"schema_version":9')):
        with pytest.raises(IntegrityError, match="schema version 1"):
            decode_case(data)


@given(moments, moments, st.integers(0, 5), st.integers(0, 5))
def test_versions_order_by_time_then_sequence(first: datetime, second: datetime, low: int, high: int) -> None:
    assert (CaseVersion(first, low) < CaseVersion(second, high)) == ((first, low) < (second, high))


def test_seriousness_criteria_make_a_case_serious_and_absence_stays_unknown() -> None:
    criteria = (SeriousnessCriterion.HOSPITALISATION, SeriousnessCriterion.DEATH, SeriousnessCriterion.DEATH)
    assert Seriousness.of(*criteria).criteria == (SeriousnessCriterion.DEATH, SeriousnessCriterion.HOSPITALISATION)
    assert Seriousness(is_serious=False, criteria=(SeriousnessCriterion.DEATH,)).is_serious is True
    assert case().stratum == Stratum(Sex.UNKNOWN, AgeBand.UNKNOWN, "unknown")


@pytest.mark.parametrize(
    ("age", "band"),
    [(0.0, "0-1"), (1.99, "0-1"), (2.0, "2-11"), (12.0, "12-17"), (18.0, "18-64"), (65.0, "65-84"), (85.0, "85+")],
)
def test_age_bands_meet_without_gap(age: float, band: str) -> None:
    assert AgeBand.of(age) == band


def test_pseudonyms_are_stable_keyed_and_refuse_weak_keys() -> None:
    key, other = b"k" * 32, b"o" * 32
    assert pseudonymise("hospital|42", key=key) == pseudonymise("hospital|42", key=key)
    assert pseudonymise("hospital|42", key=key) != pseudonymise("hospital|42", key=other)
    assert pseudonymise("hospital|42", key=key) != pseudonymise("hospital|43", key=key)
    with pytest.raises(ParameterError, match="at least 32 bytes, not 5"):
        pseudonymise("x", key=b"short")
    with pytest.raises(ParameterError, match="not be empty"):
        pseudonymise("", key=key)


@given(st.binary(max_size=60))
def test_raw_records_and_dead_letters_keep_every_byte(payload: bytes) -> None:
    record = RawRecord(source="s", record_id="1", format="fhir", payload=payload, received_at=NOW)
    assert decode_raw_chunk(encode_raw_chunk([record, record])) == (record, record)
    letter = DeadLetter.of(record, reason="invalid-json", detail="$")
    assert decode_dead_letter(encode_dead_letter(letter)) == letter
    kept = base64.b64decode(letter.payload) if letter.payload_encoding == "base64" else letter.payload.encode()
    assert kept == payload


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91\xc0"])
def test_a_damaged_chunk_is_an_integrity_error(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_raw_chunk(data)
    with pytest.raises(IntegrityError):
        decode_dead_letter(data)
