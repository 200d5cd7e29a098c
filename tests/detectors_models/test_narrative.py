"""What narrative reading makes of sentences, of odd text and of very much text."""

from __future__ import annotations

import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import Assertion, DrugRole, ParameterError, Provenance, TermKind, Vocabulary
from connectors import default_vocabulary
from connectors.generator.words import narrative
from detectors import NarrativeFindings, NarrativeReader

VOCABULARY = Vocabulary.from_csv(
    """kind,name,synonym,system,code
drug,warfarin,Coumadin,,
drug,amoxicillin,,,
drug,ibuprofen,Advil,,
drug,metformin,,,
drug,insulin glargine,,,
drug,insulin,,,
drug,5-fluorouracil,5-FU,,
drug,penicillin,,,
reaction,Rash,skin eruption,,
reaction,Rash pruritic,itchy rash,,
reaction,Fever,pyrexia,,
reaction,Nausea,,,
reaction,Vomiting,vomited,,
reaction,Haemorrhage,bleeding,,
reaction,Gastrointestinal haemorrhage,GI bleed,,
reaction,Myocardial infarction,MI,,
reaction,Seizure,convulsion,,
reaction,Dyspnoea,shortness of breath,,
reaction,Chills,,,
reaction,Diarrhoea,,,
reaction,Guillain-Barré syndrome,GBS,,
reaction,Injection site pain,,,
reaction,Pain,,,
reaction,Overdose,,,
reaction,Thrombosis,,,
reaction,Hepatitis,,,
reaction,Asthma,,,
reaction,Leucopenia,,,
""",
    name="inline",
)
P, N, H, C = Assertion.PRESENT, Assertion.NEGATED, Assertion.HISTORICAL, Assertion.HYPOTHETICAL


@pytest.fixture(scope="module")
def reader() -> NarrativeReader:
    return NarrativeReader(VOCABULARY)


def reactions(found: NarrativeFindings) -> dict[str | None, Assertion]:
    return {item.reaction.name: item.assertion for item in found.reactions}


def roles(found: NarrativeFindings) -> dict[str | None, DrugRole]:
    return {use.drug.name: use.role for use in found.drugs}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The patient developed a rash.", {"Rash": P}),
        ("RASH AND FEVER.", {"Rash": P, "Fever": P}),
        ("Patient denies fever, chills, nausea, vomiting or shortness of breath.",
         {"Fever": N, "Chills": N, "Nausea": N, "Vomiting": N, "Dyspnoea": N}),
        ("No rash.", {"Rash": N}),
        ("No rash but fever was noted.", {"Rash": N, "Fever": P}),
        ("No fever and developed a rash.", {"Fever": N, "Rash": P}),
        ("There was no evidence of bleeding.", {"Haemorrhage": N}),
        ("Patient did not have nausea.", {"Nausea": N}),
        ("She didn't develop a rash.", {"Rash": N}),
        ("She doesn’t report nausea.", {"Nausea": N}),
        ("Without fever or rash.", {"Fever": N, "Rash": N}),
        ("w/o fever", {"Fever": N}),
        ("Negative for: fever, rash.", {"Fever": N, "Rash": N}),
        ("Myocardial infarction was ruled out.", {"Myocardial infarction": N}),
        ("Myocardial infarction could not be ruled out.", {"Myocardial infarction": P}),
        ("Fever was denied; rash since Monday.", {"Fever": N, "Rash": P}),
        ("Nausea and vomiting were denied.", {"Nausea": N, "Vomiting": N}),
        ("Rash, denied fever.", {"Rash": P, "Fever": N}),
        ("Fever: no. Rash: yes.", {"Fever": N, "Rash": P}),
        ("Allergies: none. Rash on arms.", {"Rash": P}),
        ("Extremities: No rash, thrombosis, or pain.", {"Rash": N, "Thrombosis": N, "Pain": N}),
        ("Bleeding was absent.", {"Haemorrhage": N}),
        ("A rash was not seen.", {"Rash": N}),
        ("We have not seen any rash.", {"Rash": N}),
        ("Never had a seizure.", {"Seizure": N}),
        ("Neither fever nor rash occurred.", {"Fever": N, "Rash": N}),
        ("No history of seizures.", {"Seizure": N}),
        # what looks negated and is not
        ("The rash did not improve.", {"Rash": P}),
        ("The patient had not recovered from the rash.", {"Rash": P}),
        ("No treatment was given for the rash.", {"Rash": P}),
        ("Not only fever but also rash.", {"Fever": P, "Rash": P}),
        ("There was no change in the rash.", {"Rash": P}),
        ("No further seizures.", {"Seizure": P}),
        ("Warfarin was not given because of bleeding.", {"Haemorrhage": P}),
        ("Outcome: not resolved. Fever.", {"Fever": P}),
        ("No fever until the third day.", {"Fever": P}),
        ("Has no appetite, nausea.", {"Nausea": P}),
        ("Child wouldn't eat, vomiting.", {"Vomiting": P}),
        ("No problem with first dose. Rash after second.", {"Rash": P}),
        # hypothetical
        ("Return if fever or rash.", {"Fever": C, "Rash": C}),
        ("Monitor for bleeding.", {"Haemorrhage": C}),
        ("Patient was warned about the risk of thrombosis.", {"Thrombosis": C}),
        ("Warfarin may cause bleeding.", {"Haemorrhage": C}),
        ("Heparin was given to prevent thrombosis.", {"Thrombosis": C}),
        ("Call the doctor in case of fever, vomiting or pain.", {"Fever": C, "Vomiting": C, "Pain": C}),
        ("Admitted to rule out myocardial infarction.", {"Myocardial infarction": C}),
        ("She wondered whether the drug was to blame. Rash persisted.", {"Rash": P}),
        # historical, and what a drug was for
        ("History of seizures.", {"Seizure": H}),
        ("Past medical history: asthma, hepatitis. Presented with rash.", {"Asthma": H, "Hepatitis": H, "Rash": P}),
        ("h/o asthma, now with rash", {"Asthma": H, "Rash": P}),
        ("He had a myocardial infarction two years ago.", {"Myocardial infarction": H}),
        ("PMH asthma. Developed fever.", {"Asthma": H, "Fever": P}),
        ("Patient with known asthma developed rash after ibuprofen.", {"Asthma": H, "Rash": P}),
        ("Family history of thrombosis.", {"Thrombosis": H}),
        ("A three day history of fever.", {"Fever": P}),
        ("Ibuprofen for the treatment of pain; then a rash.", {"Pain": H, "Rash": P}),
        ("Previously healthy man with seizure.", {"Seizure": P}),
        ("No fever prior to vaccination. Fever that evening.", {"Fever": P}),
        # several mentions, one answer
        ("No rash on day 1. Rash on day 3.", {"Rash": P}),
        ("History of asthma. Asthma attack after ibuprofen.", {"Asthma": P}),
        # names
        ("Itchy rash.", {"Rash pruritic": P}),
        ("Overdose of insulin.", {"Overdose": P}),
        ("Leukopenia, then leucopenia.", {"Leucopenia": P}),
        ("Upper GI bleed.", {"Gastrointestinal haemorrhage": P}),
        ("gastrointestinal hemorrhages", {"Gastrointestinal haemorrhage": P}),
        ("diarrhea with dyspnea", {"Diarrhoea": P, "Dyspnoea": P}),
        ("Pain at injection site; injection-site pain.", {"Injection site pain": P, "Pain": P}),
        ("Guillain Barre syndrome", {"Guillain-Barré syndrome": P}),
        ("GUILLAIN–BARRÉ SYNDROME", {"Guillain-Barré syndrome": P}),
        ("Acute MI on day 2.", {"Myocardial infarction": P}),
        ("Mi amigo had a rash.", {"Rash": P}),
        ("painful rashness", {}),
        ("fever.Rash", {"Fever": P, "Rash": P}),
        ("not consolable;no fever;rash(itchy)&chills", {"Fever": N, "Rash": P, "Chills": P}),
        ("No\nfever\n\nrash", {"Fever": N, "Rash": P}),
    ],
)  # fmt: skip
def test_assertions(reader: NarrativeReader, text: str, expected: dict[str, Assertion]) -> None:
    assert reactions(reader.read(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rash after amoxicillin.", {"amoxicillin": "suspect"}),
        ("Amoxicillin-induced hepatitis.", {"amoxicillin": "suspect"}),
        ("Bleeding due to warfarin and ibuprofen.", {"warfarin": "suspect", "ibuprofen": "suspect"}),
        ("Bleeding on Coumadin. Also taking metformin.", {"warfarin": "concomitant", "metformin": "concomitant"}),
        ("Rash caused by Advil. Concomitant medications: metformin, warfarin.",
         {"ibuprofen": "suspect", "metformin": "concomitant", "warfarin": "concomitant"}),
        ("Fever was treated with ibuprofen after amoxicillin.", {"ibuprofen": "concomitant", "amoxicillin": "suspect"}),
        ("After two days the rash was treated with ibuprofen.", {"ibuprofen": "concomitant"}),
        ("Warfarin was discontinued.", {"warfarin": "suspect"}),
        ("Hepatitis not related to metformin.", {"metformin": "concomitant"}),
        ("Not taking warfarin.", {}),
        ("No ibuprofen was taken.", {}),
        ("If pain, ibuprofen.", {}),
        ("History of penicillin use.", {"penicillin": "concomitant"}),
        ("Insulin glargine overdose.", {"insulin glargine": "suspect"}),
        ("Overdose of insulin.", {"insulin": "suspect"}),
        ("Mucositis after 5‑FU.", {"5-fluorouracil": "suspect"}),
        ("On warfarin. Warfarin was suspected.", {"warfarin": "suspect"}),
    ],
)  # fmt: skip
def test_roles(reader: NarrativeReader, text: str, expected: dict[str, str]) -> None:
    assert roles(reader.read(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Admitted to the ICU, intubated, died.", ("died", "hospitalised", "intensive-care", "ventilated")),
        ("Was not hospitalised.", ()),
        ("No ER visit.", ()),
        ("Mild life-threatening", ("life-threatening", "mild")),
        ("If severe, go to the emergency room.", ()),
        ("Rash", ()),
    ],
)
def test_cues(reader: NarrativeReader, text: str, expected: tuple[str, ...]) -> None:
    assert reader.read(text).cues == expected


def test_everything_found_carries_narrative_provenance(reader: NarrativeReader) -> None:
    found = reader.read("Rash after amoxicillin.")
    assert {use.drug.provenance for use in found.drugs} == {Provenance.NARRATIVE}
    assert {item.reaction.provenance for item in found.reactions} == {Provenance.NARRATIVE}
    assert not found.is_truncated


@pytest.mark.parametrize("text", ["", " ", "\n\n", ".", "\x00", "�", "🙂", "\ud800", "\u202e", ", , ; ."])
def test_nothing_in_text_without_words(reader: NarrativeReader, text: str) -> None:
    assert reader.read(text) == NarrativeFindings()


_READER = NarrativeReader(VOCABULARY)
_PIECES = st.sampled_from(
    ["no ", "rash", "fever ", ", ", ". ", "after ", "warfarin ", "history of ", "until ", "icu ", "\n\n"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES | st.text(max_size=5), max_size=30).map("".join))
def test_whatever_is_read_the_findings_are_names_once_each_and_sorted(text: str) -> None:
    found = _READER.read(text)
    drugs, terms = [use.drug.name for use in found.drugs], [item.reaction.name for item in found.reactions]
    assert set(drugs) <= set(VOCABULARY.names(TermKind.DRUG))
    assert set(terms) <= set(VOCABULARY.names(TermKind.REACTION))
    for names in (drugs, terms, list(found.cues)):
        assert names == sorted(set(names), key=str)
    assert found == _READER.read(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_a_sentence_does_not_speak_for_the_next(text: str) -> None:
    alone = {item.reaction.name: item.assertion for item in _READER.read("Nausea").reactions}
    assert reactions(_READER.read(f"{text}. Nausea"))["Nausea"] is alone["Nausea"] is P


def test_read_many_is_the_loop(reader: NarrativeReader) -> None:
    texts = ["Rash.", "", "No fever after warfarin."]
    assert list(reader.read_many(texts)) == [reader.read(text) for text in texts]


def test_same_text_same_findings_whatever_was_read_before(reader: NarrativeReader) -> None:
    text = "No fever. Rash after amoxicillin; hospitalised."
    first = reader.read(text)
    reader.read("If fever, take ibuprofen. No")
    assert reader.read(text) == first == NarrativeReader(VOCABULARY).read(text)


def test_the_order_of_the_vocabulary_does_not_matter() -> None:
    synonyms = {**VOCABULARY.synonyms(TermKind.REACTION), "Seizures partial": "Seizure partial", "Pains": "Pains"}
    turned = dict(reversed(synonyms.items()))
    readers = [
        NarrativeReader(Vocabulary(name="v", version="1", synonyms={TermKind.REACTION: each}, codes={}))
        for each in (synonyms, turned)
    ]
    text = "Seizures, pain, pains, partial seizures, hemorrhages. No rashes."
    assert readers[0].read(text) == readers[1].read(text)


def test_an_open_vocabulary_gives_cues_only() -> None:
    found = NarrativeReader(Vocabulary.open(name="open")).read("Rash after warfarin; hospitalised.")
    assert found == NarrativeFindings(cues=("hospitalised",))


def test_a_synonym_is_not_taken_by_the_plural_of_another_name() -> None:
    vocabulary = Vocabulary.from_csv(
        "kind,name,synonym,system,code\nreaction,Burn,,,\nreaction,Burns second degree,burns,,\n", name="burns"
    )
    assert reactions(NarrativeReader(vocabulary).read("Burns.")) == {"Burns second degree": P}


def test_a_vocabulary_in_capitals_is_found_in_any_case() -> None:
    vocabulary = Vocabulary.from_csv("kind,name,synonym,system,code\nreaction,RASH,,,\ndrug,IRON,,,\n", name="capitals")
    found = NarrativeReader(vocabulary).read("Rash after iron.")
    assert (reactions(found), roles(found)) == ({"RASH": P}, {"IRON": DrugRole.SUSPECT})


@pytest.mark.parametrize("max_characters", [0, -1])
def test_the_bound_must_be_positive(max_characters: int) -> None:
    with pytest.raises(ParameterError, match="max_characters must be at least 1"):
        NarrativeReader(VOCABULARY, max_characters=max_characters)


def test_text_beyond_the_bound_is_not_read_and_that_is_said() -> None:
    reader = NarrativeReader(VOCABULARY, max_characters=10)
    assert reader.read("Rash.     ") == NarrativeFindings(reader.read("Rash.").drugs, reader.read("Rash.").reactions)
    found = reader.read("Rash.      Fever.")
    assert (reactions(found), found.is_truncated) == ({"Rash": P}, True)


HOSTILE = {
    "words": lambda rng: " ".join("".join(rng.choices(string.ascii_letters, k=6)) for _ in range(750_000)),
    "one word": lambda rng: "a" * 5_000_000,
    "brackets": lambda rng: "(" * 5_000_000,
    "brackets in groups": lambda rng: ("(" * 99 + " ") * 50_000,
    "quotes": lambda rng: ("'" * 99 + " ") * 50_000,
    "cues": lambda rng: "no " * 1_700_000,
    "cues without blanks": lambda rng: "no-" * 1_700_000,
    "full stops": lambda rng: "a.bc" * 1_250_000,
    "lines": lambda rng: "\n \n" * 1_700_000,
    "expanding ligature": lambda rng: "\ufdfa" * 5_000_000,
    "combining": lambda rng: "e\u0301" * 2_500_000,
    "addresses": lambda rng: "http://a.b.c/d?e=f@g.h " * 220_000,
    "names": lambda rng: "rash, " * 850_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_five_megabytes_take_no_longer_than_the_bound(reader: NarrativeReader, kind: str) -> None:
    text = HOSTILE[kind](random.Random(1))
    started = time.process_time()
    assert reader.read(text).is_truncated
    assert time.process_time() - started < 2


def test_memory_does_not_grow_with_the_words_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.narrative._MOST_WORDS", 1000)
    reader = NarrativeReader(VOCABULARY)
    rng = random.Random(2)
    for _ in range(200):
        text = " ".join("".join(rng.choices(string.ascii_lowercase, k=9)) for _ in range(100)) + " no fever, rash."
        assert reactions(reader.read(text)) == {"Fever": N, "Rash": N}
    # 20,000 words went through; what stays is the bound and the text that passed it (a word has up to five strings)
    assert len(reader._nlp.vocab.strings) <= reader._most_strings + 5 * 104


def test_the_default_vocabulary_is_read() -> None:
    reader = NarrativeReader(default_vocabulary())
    found = reader.read("Hospitalised with bleeding after starting Coumadin. No rash. Also taking metformin.")
    assert roles(found) == {"warfarin": DrugRole.SUSPECT, "metformin": DrugRole.CONCOMITANT}
    assert set(reactions(found).values()) == {P, N}
    assert found.cues == ("hospitalised",)


@pytest.mark.parametrize("kind", TermKind)
def test_every_name_and_synonym_of_the_default_vocabulary_is_found(kind: TermKind) -> None:
    vocabulary = default_vocabulary()
    reader = NarrativeReader(vocabulary)
    for synonym, name in vocabulary.synonyms(kind).items():
        found = reader.read(f"The record names {synonym} here.")
        assert name in (reactions(found) if kind is TermKind.REACTION else roles(found)), synonym


def test_generated_narratives_are_read_as_they_were_meant() -> None:
    vocabulary, rng = default_vocabulary(), random.Random(5)
    reader = NarrativeReader(vocabulary)
    drugs = sorted(vocabulary.synonyms(TermKind.DRUG).items())
    terms = sorted(vocabulary.synonyms(TermKind.REACTION).items())
    wrong, told = 0, 0
    for _ in range(500):
        (drug, ingredient), words = rng.choice(drugs), rng.sample(terms, 4)
        if len({name for _, name in words}) < 4:
            continue
        text = narrative(
            age=rng.randint(5, 90), is_woman=rng.random() < 0.5, drug=drug, reactions=[word for word, _ in words[:2]],
            others=[word for word, _ in words[2:]], is_serious=rng.random() < 0.5, is_fatal=rng.random() < 0.1,
            chances=[rng.random() for _ in range(8)],
        )  # fmt: skip
        found = reader.read(text)
        assert ingredient in roles(found), text
        said = reactions(found)
        told += 4
        wrong += sum(said.get(name) is not P for _, name in words[:2])
        wrong += sum(said.get(name) is P for _, name in words[2:])
    assert wrong <= 0.01 * told
