"""Reading a narrative: the drugs, reactions and cues of seriousness that its words name, and how they are meant.

A narrative says more than the coded fields, and says it less reliably. What is read here carries the provenance
`NARRATIVE`, so that a protocol can leave it out of the counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from cases import (
    Assertion,
    DrugRole,
    DrugUse,
    ParameterError,
    Provenance,
    Reaction,
    Term,
    TermKind,
    Vocabulary,
)
from detectors._context import Action, Mention, mark
from detectors._word_list import WordList
from detectors._wording import fold, spellings

if TYPE_CHECKING:
    from spacy.tokens import Doc

__all__ = ["NarrativeFindings", "NarrativeReader"]

_MOST_STRINGS = 200_000  # words kept by spaCy between narratives; later ones are forgotten after each narrative
_MOST_CAPITALS = 4
_ASSERTIONS = (  # what the marks mean, the strongest first
    ("negated", Assertion.NEGATED),
    ("hypothetical", Assertion.HYPOTHETICAL),
    ("historical", Assertion.HISTORICAL),
    ("indication", Assertion.HISTORICAL),
)
_PREFERENCE = (Assertion.PRESENT, Assertion.HISTORICAL, Assertion.HYPOTHETICAL, Assertion.NEGATED)


class NarrativeFindings(msgspec.Struct, frozen=True):
    """What a narrative names; each drug, reaction and cue once, sorted.

    `is_truncated` says that the narrative was longer than the reader reads, so that more may be in it.
    """

    drugs: tuple[DrugUse, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    cues: tuple[str, ...] = ()
    is_truncated: bool = False


class NarrativeReader:
    """A spaCy pipeline (tokeniser, phrase matcher, no model) for a vocabulary's names, and for what is said of them.

    The longest match wins, also between names and the words of context (``detectors/narrative_words.toml``). Names are
    found in any letter case, singular or plural, British or American spelling, with or without hyphens and accents; a
    synonym of at most four capitals (``MI``) only as capitals, in a text that is not all capitals.

    - A reaction is negated, hypothetical or historical if a cue in its sentence reaches it; historical is also what a
      drug was given for. A term named several times is present if any mention is.
    - A drug is suspect where the nearest cue that reaches it says that something came of or after it (``after``,
      ``due to``, ``-induced``, ``overdose``), else concomitant. A negated or hypothetical drug is left out.
    - A cue of seriousness that is negated, hypothetical or historical is left out.

    Parameters
    ----------
    vocabulary
        Names to look for. An open vocabulary without names finds cues only.
    max_characters
        Characters of a narrative that are read, at least 1; the rest is not looked at.

    Notes
    -----
    For English. Not for several threads at a time. Memory is bounded by the vocabulary and `max_characters`. It takes
    names literally: a drug or reaction in other words than the vocabulary's is not found (measured in ADR 0006).

    Examples
    --------
    >>> vocabulary = Vocabulary.from_csv('''kind,name,synonym,system,code
    ... drug,warfarin,,,
    ... drug,paracetamol,,,
    ... reaction,Haemorrhage,bleeding,,
    ... reaction,Rash,,,''', name="example")
    >>> found = NarrativeReader(vocabulary).read("Hospitalised with bleeding after warfarin. No rash. On paracetamol.")
    >>> [(use.drug.name, str(use.role)) for use in found.drugs]
    [('paracetamol', 'concomitant'), ('warfarin', 'suspect')]
    >>> [(item.reaction.name, str(item.assertion)) for item in found.reactions]
    [('Haemorrhage', 'present'), ('Rash', 'negated')]
    >>> found.cues
    ('hospitalised',)
    """

    def __init__(self, vocabulary: Vocabulary, *, max_characters: int = 20_000) -> None:
        import spacy  # here, as it takes two seconds that a site without narratives need not wait
        from spacy.matcher import PhraseMatcher

        if not max_characters >= 1:
            raise ParameterError(f"max_characters must be at least 1, not {max_characters!r}")
        self.max_characters = max_characters
        self._nlp = spacy.blank("en")
        self._matcher = PhraseMatcher(self._nlp.vocab, attr="LOWER")
        self._names: dict[int, tuple[str, str, bool]] = {}  # kind, preferred name, whether only as capitals
        self._actions: dict[int, Action] = {}
        self._cues: dict[int, str] = {}
        words = WordList.load()
        self._scopes = words.scopes
        for kind in TermKind:
            self._add_names(kind, vocabulary.synonyms(kind))
        for phrase, action in words.actions.items():
            if (key := self._add(f"context {phrase}", {phrase})) is not None:
                self._actions[key] = action
        for cue, phrases in words.cues.items():
            if (key := self._add(f"cue {cue}", phrases)) is not None:
                self._cues[key] = cue

    def read(self, text: str) -> NarrativeFindings:
        """What `text` names; nothing for an empty one."""
        is_truncated = len(text) > self.max_characters
        folded = fold(text[: self.max_characters])[: 2 * self.max_characters]  # a ligature folds to several letters
        if len(self._nlp.vocab.strings) > _MOST_STRINGS:
            with self._nlp.memory_zone():
                mentions = self._mentions(self._nlp.make_doc(folded))
        else:
            mentions = self._mentions(self._nlp.make_doc(folded))
        return _findings(mentions, is_truncated=is_truncated)

    def read_many(self, texts: Iterable[str]) -> Iterator[NarrativeFindings]:
        """`read` of each of `texts`, in order, one at a time."""
        return map(self.read, texts)

    def _mentions(self, doc: Doc) -> list[Mention]:
        """Mentions of names and cues, marked by their context."""
        found: list[tuple[int, int, int]] = self._matcher(doc)
        found.sort(key=_longest_first)
        spans: list[tuple[int, int, Action | Mention]] = []
        mentions: list[Mention] = []
        named, cued = _Taken(), _Taken()
        for key, start, end in found:
            if (action := self._actions.get(key)) is not None:
                if named.take(start, end):
                    spans.append((start, end, action))
                continue
            if (cue := self._cues.get(key)) is not None:
                mention, taken = Mention(start, end, cue, "cue"), cued
            else:
                kind, name, is_capitals = self._names[key]
                if is_capitals and not doc[start:end].text.isupper():
                    continue
                mention, taken = Mention(start, end, name, kind), named
            if taken.take(start, end):
                mentions.append(mention)
                spans.append((start, end, mention))
        spans.sort(key=_position)
        mark(spans, self._scopes)
        return mentions

    def _add_names(self, kind: TermKind, synonyms: Mapping[str, str]) -> None:
        """Look for every synonym, in its spellings, under its preferred name."""
        is_mixed_case = any(letter.islower() for synonym in synonyms for letter in synonym)
        by_name: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
        for synonym, name in synonyms.items():
            is_capitals = is_mixed_case and len(synonym) <= _MOST_CAPITALS and synonym.isupper()
            forms = {synonym} if is_capitals or kind is TermKind.DRUG else spellings(synonym.lower())
            by_name[name, is_capitals] |= forms
        for (name, is_capitals), forms in by_name.items():
            if (key := self._add(f"{kind} {is_capitals} {name}", forms)) is not None:
                self._names[key] = (kind, name, is_capitals)

    def _add(self, label: str, phrases: Iterable[str]) -> int | None:
        """Look for `phrases`; the key of their matches, None where no phrase has a letter or sign to look for."""
        patterns = [self._nlp.make_doc(folded) for phrase in sorted(phrases) if (folded := fold(phrase))]
        if not patterns:
            return None
        self._matcher.add(label, patterns)
        return int(self._nlp.vocab.strings[label])


class _Taken:
    """Tokens that a match already holds; the same tokens may be taken twice, by a drug and a reaction of one name."""

    __slots__ = ("_spans", "_tokens")

    def __init__(self) -> None:
        self._tokens: set[int] = set()
        self._spans: set[tuple[int, int]] = set()

    def take(self, start: int, end: int) -> bool:
        if (start, end) in self._spans:
            return True
        tokens = range(start, end)
        if not self._tokens.isdisjoint(tokens):
            return False
        self._tokens.update(tokens)
        self._spans.add((start, end))
        return True


def _longest_first(match: tuple[int, int, int]) -> tuple[int, int]:
    return match[1] - match[2], match[1]


def _position(span: tuple[int, int, object]) -> tuple[int, int]:
    return span[0], span[1]


def _assertion(mention: Mention) -> Assertion:
    return next((assertion for mark_, assertion in _ASSERTIONS if mark_ in mention.marks), Assertion.PRESENT)


def _findings(mentions: list[Mention], *, is_truncated: bool) -> NarrativeFindings:
    """One entry for each name: a drug is suspect, a reaction present, if any of its mentions is."""
    drugs: dict[str, DrugRole] = {}
    reactions: dict[str, Assertion] = {}
    cues: set[str] = set()
    for mention in mentions:
        assertion = _assertion(mention)
        if mention.kind == TermKind.REACTION:
            known = reactions.get(mention.name, assertion)
            reactions[mention.name] = min(assertion, known, key=_PREFERENCE.index)
        elif mention.kind == TermKind.DRUG:
            if assertion in (Assertion.PRESENT, Assertion.HISTORICAL):
                is_suspect = "suspect" in mention.marks and assertion is Assertion.PRESENT
                if is_suspect or mention.name not in drugs:
                    drugs[mention.name] = DrugRole.SUSPECT if is_suspect else DrugRole.CONCOMITANT
        elif assertion is Assertion.PRESENT:
            cues.add(mention.name)
    return NarrativeFindings(
        tuple(DrugUse(Term(name, Provenance.NARRATIVE), role) for name, role in sorted(drugs.items())),
        tuple(Reaction(Term(name, Provenance.NARRATIVE), how) for name, how in sorted(reactions.items())),
        tuple(sorted(cues)),
        is_truncated,
    )
