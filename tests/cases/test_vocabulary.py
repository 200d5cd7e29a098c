"""The vocabulary: exact, folded, coded, open, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import Code, ConfigurationError, Provenance, TermKind, Vocabulary

TABLE = """kind,name,synonym,system,code
drug,warfarin,Coumadin,http://www.nlm.nih.gov/research/umls/rxnorm,11289
drug,paracetamol,acetaminophen,,
reaction,Haemorrhage,bleeding,urn:example,B1
reaction,Äthylrausch,,,
"""


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.from_csv(TABLE, name="example")


@pytest.mark.parametrize("text", ["warfarin", "WARFARIN", " Coumadin ", "coumadin.", "COUMADIN"])
def test_text_is_found_exactly_and_folded(vocabulary: Vocabulary, text: str) -> None:
    term = vocabulary.find(TermKind.DRUG, text=text)
    assert (term.name, term.provenance) == ("warfarin", Provenance.TEXT)


def test_a_known_code_wins_over_text_and_the_first_known_code_wins(vocabulary: Vocabulary) -> None:
    known = Code("http://www.nlm.nih.gov/research/umls/rxnorm", "11289")
    term = vocabulary.find(TermKind.DRUG, codes=[Code("x", "y"), known], text="paracetamol")
    assert (term.name, term.provenance, term.code) == ("warfarin", Provenance.CODED, known)


def test_accents_fold_and_kinds_do_not_mix(vocabulary: Vocabulary) -> None:
    assert vocabulary.find(TermKind.REACTION, text="athylrausch").name == "Äthylrausch"
    assert not vocabulary.find(TermKind.DRUG, text="bleeding").is_mapped
    assert vocabulary.names(TermKind.DRUG) == ("paracetamol", "warfarin")


def test_a_display_is_told_apart(vocabulary: Vocabulary) -> None:
    assert vocabulary.find(TermKind.DRUG, text="warfarin", is_display_only=True).provenance is Provenance.DISPLAY


def test_an_open_vocabulary_takes_names_over_and_a_closed_one_does_not(vocabulary: Vocabulary) -> None:
    assert Vocabulary.open(name="vaers").find(TermKind.DRUG, text=" HEP B (X) ").name == "HEP B (X)"
    assert not Vocabulary.open(name="vaers").find(TermKind.DRUG, text="  ").is_mapped
    assert vocabulary.find(TermKind.DRUG, text="HEP B").name is None


@given(st.text(max_size=40))
def test_any_text_is_mapped_or_unmapped_never_an_error(text: str) -> None:
    term = Vocabulary.from_csv(TABLE, name="example").find(TermKind.DRUG, text=text)
    assert term.name in {None, "warfarin", "paracetamol"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("kind,name\ndrug,x\n", "header must be"),
        ("", "header must be"),
        ("kind,name,synonym,system,code\nfood,x,,,\n", "line 2: kind must be drug or reaction"),
        ("kind,name,synonym,system,code\ndrug,,x,,\n", "line 2: name must not be empty"),
        ("kind,name,synonym,system,code\ndrug,a,s,,\ndrug,b,S.,,\n", "line 3: 'S.' already names another drug"),
        ("kind,name,synonym,system,code\ndrug,a,,u,1\ndrug,b,,u,1\n", "line 3: code '1' already names another drug"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_by_line(table: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Vocabulary.from_csv(table, name="bad")


def test_the_version_follows_the_content() -> None:
    assert Vocabulary.from_csv(TABLE, name="a").label == Vocabulary.from_csv(TABLE, name="a").label
    changed = TABLE.replace("Coumadin", "Marevan")
    assert Vocabulary.from_csv(TABLE, name="a").label != Vocabulary.from_csv(changed, name="a").label
