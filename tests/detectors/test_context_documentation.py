"""Completeness, challenge counts, label lists and the evidence score: by hand, by property, and what is refused."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import ConfigurationError, ParameterError, UnknownTermError
from detectors.context import ChallengeCounts, Completeness, EvidenceScore, LabelList, Listing

# as printed for vigiGrade, in percent
PRINTED = {
    "time_to_onset": 50, "indication": 30, "outcome": 30, "sex": 30, "age": 30,
    "dose": 10, "country": 10, "reporter": 10, "report_type": 10, "narrative": 10,
}  # fmt: skip


def test_penalties_are_the_published_ones() -> None:
    published = Completeness.published()
    assert {name: round(100 * penalty) for name, penalty in published.penalties.items()} == PRINTED
    assert "doi:10.1007/s40264-013-0131-x" in published.source


@given(st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=5))
def test_completeness_is_the_product_of_what_is_kept(said: list[list[bool]]) -> None:
    columns = {name: ["x" if row[i] else None for row in said] for i, name in enumerate(PRINTED)}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(PRINTED, pl.String))
    expected = [
        math.prod(1.0 if row[i] else 1 - penalty / 100 for i, penalty in enumerate(PRINTED.values())) for row in said
    ]
    assert Completeness.published().score_many(frame).to_list() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_not_said(value: float | None) -> None:
    frame = pl.DataFrame({name: ["x"] * 4 for name in PRINTED} | {"age": [value, 3.0, 0.0, value]})
    frame = frame.with_columns(country=pl.Series(["UNKNOWN", "  ", "NO", "no"]))
    scores = Completeness.published().score_many(frame).to_list()
    assert scores == pytest.approx([0.7 * 0.9, 0.9, 1.0, 0.7])
    with pytest.raises(ParameterError, match=r"column 'dose' is missing \(did you mean 'doses'\?\)"):
        Completeness.published().score_many(frame.rename({"dose": "doses"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "completeness weights"),
        ('title="t"\nsource="s"\nsource_date=2026-01-01\n[penalties]\nsex=1.5', r"penalty of sex must lie in \[0, 1\]"),
        ('title="t"\nsource="s"\nsource_date=2026-01-01\n[penalties]\nsex=nan', "penalty of sex"),
        ('title="t"\nsource="s"\nsource_date=2026-01-01\n[penalties]', "at least one"),
        ('title="t"\nsource="s"\n[penalties]\nsex=0.5', "source_date"),
    ],
)
def test_weights_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Completeness.parse(text)


def challenges(*rows: tuple[str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(case, drug, "r", said) for case, drug, said in rows],
        schema=["case_id", "drug", "reaction", "dechallenge"],
        orient="row",
    )


def test_challenge_counts_are_of_distinct_reports_of_the_pair() -> None:
    frame = challenges(
        ("1", "d", "positive"), ("1", "d", "positive"), ("2", "d", "POSITIVE "), ("3", "d", "negative"),
        ("4", "d", "positive"), ("4", "d", "negative"), ("5", "d", None), ("6", "d", "not-applicable"),
        ("7", "d", "unknown"), ("7", "d", "negative"), ("7", "other", "positive"), ("8", "other", "positive"),
    )  # fmt: skip
    counts = ChallengeCounts.of(frame, "d", "r", column="dechallenge")
    assert counts == ChallengeCounts(positive=2, negative=2, contradictory=1, unknown=2)
    assert ChallengeCounts.of(frame[::-1], "d", "r", column="dechallenge") == counts
    with pytest.raises(ParameterError, match="row 0"):
        ChallengeCounts.of(challenges(("1", "d", "perhaps")), "d", "r", column="dechallenge")
    with pytest.raises(ParameterError, match=r"'rechallenge' is missing \(did you mean 'dechallenge'"):
        ChallengeCounts.of(frame, "d", "r", column="rechallenge")
    with pytest.raises(UnknownTermError, match="nearest are 'other'"):
        ChallengeCounts.of(frame, "othr", "r", column="dechallenge")


DRUGS, REACTIONS = ["warfarin", "aspirin"], ["Haemorrhage", "Rash", "Straße"]


def listed(*rows: tuple[str | None, str | None]) -> LabelList:
    frame = pl.DataFrame(rows, schema={"drug": pl.String, "reaction": pl.String}, orient="row")
    return LabelList(frame, drugs=DRUGS, reactions=REACTIONS)


def test_listedness_knows_three_answers() -> None:
    labels = listed(("Warfarin ", "haemorrhage"), ("warfarin", "HAEMORRHAGE"), ("warfarin", "STRASSE"))
    pairs = [("warfarin", "Haemorrhage"), ("WARFARIN", "  rash"), ("aspirin", "Rash"), ("warfarin", "straße")]
    expected = [Listing.LISTED, Listing.UNLISTED, Listing.NO_LABEL, Listing.LISTED]
    assert labels.listing_many(pairs) == expected
    assert listed().listing("aspirin", "Rash") is Listing.NO_LABEL


def test_names_that_nobody_knows_are_errors_on_both_sides() -> None:
    with pytest.raises(UnknownTermError, match=r"row 1: .*the drug 'Warfarine' \(the nearest are 'warfarin'\)"):
        listed(("aspirin", "Rash"), ("Warfarine", "Rash"))
    with pytest.raises(UnknownTermError, match=r"row 0: .*'Hemorrhage' \(the nearest are 'haemorrhage'\)"):
        listed(("aspirin", "Hemorrhage"))
    with pytest.raises(UnknownTermError, match="nearest are 'aspirin'"):
        listed(("aspirin", "Rash")).listing("aspirn", "Rash")
    with pytest.raises(ParameterError, match="row 0: drug and reaction must be names"):
        listed((None, "Rash"))
    with pytest.raises(ParameterError, match="column 'reaction' is missing"):
        LabelList(pl.DataFrame({"drug": ["aspirin"]}), drugs=DRUGS, reactions=REACTIONS)
    with pytest.raises(ParameterError, match="known drugs must be names"):
        LabelList(pl.DataFrame({"drug": [], "reaction": []}), drugs=[], reactions=REACTIONS)


counts = st.integers(0, 200)
facts = st.fixed_dictionaries(
    {"ic_lower": st.floats(-8, 8), "informative": counts, "recent": counts, "narrative": counts, "countries": counts}
)


@given(facts, st.sampled_from(["ic_lower", "informative", "recent", "narrative", "countries"]))
def test_more_evidence_never_scores_less(known: dict[str, float], more: str) -> None:
    score = EvidenceScore.ours()
    first = score.of(**known)  # type: ignore[arg-type]  # one mapping of floats and counts
    assert 0 <= first <= 1
    assert score.of(**known | {more: known[more] + 1}) >= first  # type: ignore[arg-type]  # as above


def test_the_score_by_hand_and_its_source() -> None:
    score = EvidenceScore.ours()
    assert "ours, not the published regression coefficients" in score.source
    assert "doi:10.1007/s40264-014-0204-5" in score.source
    nothing = {"informative": 0, "recent": 0, "narrative": 0, "countries": 0}
    assert score.of(ic_lower=-3.0, **nothing) == 0
    assert score.of(ic_lower=1.0, **nothing) == pytest.approx(0.2 * 1 / 2)
    assert score.of(ic_lower=-1.0, **nothing | {"recent": 3}) == pytest.approx(0.2 * 2 / math.log2(11))
    assert math.isnan(score.of(ic_lower=math.nan, **nothing))
    assert score.of(ic_lower=math.inf, **nothing) == pytest.approx(0.2)
    with pytest.raises(ParameterError, match="recent must be at least 0 and finite, not -1"):
        score.of(ic_lower=1.0, **nothing | {"recent": -1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("weight = 0.2", "weight = 0.3"), "weights must sum to 1"),
        (("full = 5", "full = 0"), "full must be above 0"),
        (("weight = 0.2", "weight = nan"), r"weight must lie in \[0, 1\]"),
        (("[aspects.recent]", "[aspects.recently]"), "aspects must be"),
        (("weight = 0.2", "wait = 0.2"), "wait"),
    ],
)
def test_evidence_weights_that_are_none(change: tuple[str, str], message: str) -> None:
    aspects = ("ic_lower", "informative", "recent", "narrative", "countries")
    text = 'title="t"\nsource="s"\nsource_date=2026-01-01\n'
    text += "".join(f"[aspects.{name}]\nweight = 0.2\nfull = 5\n" for name in aspects)
    assert EvidenceScore.parse(text).aspects["recent"].full == 5
    with pytest.raises(ConfigurationError, match=message):
        EvidenceScore.parse(text.replace(*change))
