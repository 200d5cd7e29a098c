"""The scope walk on spans alone, and the word list it goes by."""

from __future__ import annotations

import pytest

from cases import ConfigurationError
from detectors._context import Action, Mention, mark
from detectors._word_list import WordList
from detectors._wording import fold, spellings

SCOPES = {"negated": 3, "suspect": 3, "concomitant": 3}
NO = Action(forward=("negated",))
WORDS = """
[affirmed]
scope = 1
[negated]
scope = 6
forward = ["no"]
[hypothetical]
scope = 1
[historical]
scope = 1
[indication]
scope = 1
[suspect]
scope = 1
[concomitant]
scope = 1
[pseudo]
phrases = ["no change"]
[ends]
all = ["but"]
negated = ["because"]
[cues]
died = ["died"]
"""


def reaction(start: int) -> tuple[int, int, Mention]:
    return start, start + 1, Mention(start, start + 1, f"r{start}", "reaction")


def marked(*spans: tuple[int, int, Action | Mention]) -> list[set[str]]:
    mark(spans, SCOPES)
    return [item.marks for _, _, item in spans if isinstance(item, Mention)]


def test_a_scope_is_counted_in_tokens_and_goes_on_from_every_mention_it_reached() -> None:
    assert marked((0, 1, NO), reaction(3)) == [{"negated"}]
    assert marked((0, 1, NO), reaction(4)) == [set()]
    assert marked((0, 1, NO), reaction(3), reaction(6), reaction(9)) == [{"negated"}] * 3
    assert marked((0, 1, NO), reaction(3), reaction(8)) == [{"negated"}, set()]


def test_a_sentence_end_ends_all_and_a_terminator_what_it_names() -> None:
    assert marked((0, 1, NO), (1, 2, Action(is_break=True)), reaction(2)) == [set()]
    assert marked((0, 1, NO), (1, 2, Action(ends=("negated",))), reaction(2)) == [set()]
    assert marked((0, 1, NO), (1, 2, Action(ends=("suspect",))), reaction(2)) == [{"negated"}]


def test_a_backward_cue_reaches_the_enumeration_before_it_and_no_further() -> None:
    back = Action(backward=("negated",))
    assert marked(reaction(0), reaction(3), (4, 5, back)) == [{"negated"}, {"negated"}]
    assert marked(reaction(0), reaction(4), (5, 6, back)) == [set(), {"negated"}]
    assert marked(reaction(0), (5, 6, back)) == [{"negated"}]
    assert marked(reaction(0), (6, 7, back)) == [set()]
    assert marked(reaction(0), (1, 2, Action(is_comma=True)), (2, 3, back)) == [set()]
    assert marked(reaction(0), (1, 2, Action(is_break=True)), (2, 3, back)) == [set()]


def test_an_either_cue_looks_back_first() -> None:
    either = Action(either=("negated",))
    assert marked(reaction(0), (1, 2, either), reaction(2)) == [{"negated"}, set()]
    assert marked((0, 1, either), reaction(2)) == [{"negated"}]


def test_the_nearest_role_decides_and_a_reaction_takes_it_up() -> None:
    drug = Mention(3, 4, "d", "drug")
    after, with_ = Action(forward=("suspect",)), Action(forward=("concomitant",))
    assert marked((0, 1, after), (2, 3, with_), (3, 4, drug)) == [{"concomitant"}]
    drug = Mention(3, 4, "d", "drug")
    assert marked((0, 1, after), reaction(2), (3, 4, drug)) == [set(), set()]


def test_the_shipped_word_list_is_whole() -> None:
    words = WordList.load()
    assert words.actions["no"].forward == ("negated",)
    assert words.actions["no change"] == Action()
    assert words.actions["h o"].forward == ("historical",)
    assert words.actions["."].is_break
    assert words.actions[","].is_comma
    marks = {"affirmed", "negated", "hypothetical", "historical", "indication", "suspect", "concomitant"}
    assert set(words.scopes) == marks
    assert {"died", "hospitalised", "intensive-care", "life-threatening"} <= set(words.cues)


def test_a_phrase_may_do_several_things() -> None:
    words = WordList.parse(WORDS.replace('all = ["but"]', 'all = ["no"]'))
    assert words.actions["no"].forward == ("negated",)
    assert "negated" in words.actions["no"].ends


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scope = 6", "scope = 0", "scope of negated must be at least 1"),
        ("[cues]", "[clues]", "unknown section 'clues'"),
    ],
)
def test_a_word_list_with_a_mistake_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WordList.parse(WORDS.replace(old, new))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Guillain-Barré", "Guillain Barre"),
        ("5‑FU/LV", "5 FU LV"),
        ("don’t", "don't"),
        ("a\r\n\r\nb", "a . b"),
        ("no\nfever", "no fever"),
        ("end.Next", "end. Next"),
        ("1.5 mg p.o.", "1.5 mg p.o."),
        ("x" * 101 + " y", "y"),
        ("", ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("anaemia", {"anemia", "anaemias"}),
        ("edema", {"oedema", "edemas"}),
        ("diarrhea", {"diarrhoea"}),
        ("leukopenia", {"leucopenia"}),
        ("rashes", {"rash"}),
        ("thrombosis", {"thromboses"}),
        ("biopsies", {"biopsy"}),
        ("hepatitis", set[str]()),
        ("pain", {"pains"}),
    ],
)
def test_spellings(name: str, others: set[str]) -> None:
    assert others | {name} <= spellings(name)
