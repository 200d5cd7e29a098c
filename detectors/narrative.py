"""Reading a narrative: the drugs, reactions and cues of seriousness that its words name, and how they are meant.

A narrative says more than the coded fields, and says it less reliably. What is read here carries the provenance
`NARRATIVE`, so that a protocol can leave it out of the counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

_MOST_WORDS = 100_000  # words of narratives that spaCy keeps; further ones are forgotten with their narrative
_MOST_CAPITALS = 4
_CUE = "cue"
_ASSERTIONS = (  # what the marks mean, the strongest first
    ("affirmed", Assertion.PRESENT),
    ("negated", Assertion.NEGATED),
    ("hypothetical", Assertion.HYPOTHETICAL),
    ("historical", Assertion.HISTORICAL),
    ("indication", Assertion.HISTORICAL),
)
_PREFERENCE = (Assertion.PRESENT, Assertion.HISTORICAL, Assertion.HYPOTHETICAL, Assertion.NEGATED)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a match stands for: a drug, a reaction, a cue of seriousness, or a phrase of context with its action."""

    kind: str
    name: str
    is_capitals: bool = False  # only a match in capitals counts
    action: Action | None = None


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
        self._entries: dict[int, _Entry] = {}
        tokenizer: Any = self._nlp.tokenizer
        tokenizer.max_cache_size = 0  # the names must not fill the cache that is meant for the words of narratives
        words = WordList.load()
        self._scopes = words.scopes
        for kind in TermKind:
            self._add_names(kind, vocabulary.synonyms(kind))
        for phrase, action in words.actions.items():
            self._add([phrase], _Entry("context", phrase, action=action))
        for cue, phrases in words.cues.items():
            self._add(phrases, _Entry(_CUE, cue))
        tokenizer.max_cache_size = _MOST_WORDS
        self._most_strings = len(self._nlp.vocab.strings) + _MOST_WORDS

    def read(self, text: str) -> NarrativeFindings:
        """What `text` names; nothing for an empty one."""
        is_truncated = len(text) > self.max_characters
        folded = fold(text[: self.max_characters])[: 2 * self.max_characters]  # a ligature folds to several letters
        if len(self._nlp.vocab.strings) > self._most_strings:
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
        entries, mentions = self._entries, list[Mention]()
        spans: list[tuple[int, int, Action | Mention]] = []
        names = cues = actions = 0  # tokens held by a longer match, as bits
        last_name = last_cue = (0, 0)  # the same tokens may be a drug and a reaction, or two cues
        for key, start, end in found:
            entry, span = entries[key], (start, end)
            tokens = ((1 << (end - start)) - 1) << start
            if entry.action is not None:
                # not within a longer name ("no adverse event"), though a name may be within it ("overdose of")
                if actions & tokens or (names & tokens and last_name != span):
                    continue
                actions |= tokens
                spans.append((start, end, entry.action))
                continue
            if entry.kind == _CUE:
                if cues & tokens and last_cue != span:
                    continue
                cues, last_cue = cues | tokens, span
            else:
                if names & tokens and last_name != span:
                    continue
                if entry.is_capitals and not doc[start:end].text.isupper():
                    continue
                names, last_name = names | tokens, span
            mention = Mention(start, end, entry.name, entry.kind)
            mentions.append(mention)
            spans.append((start, end, mention))
        spans.sort(key=_position)
        mark(spans, self._scopes)
        return mentions

    def _add_names(self, kind: TermKind, synonyms: Mapping[str, str]) -> None:
        """Look for every synonym, and for its other spellings where these are no synonym of another name."""
        is_mixed_case = any(letter.islower() for synonym in synonyms for letter in synonym)
        capitals: defaultdict[str, set[str]] = defaultdict(set)
        owner: dict[str, str] = {}
        for synonym, name in sorted(synonyms.items()):  # so that equal vocabularies read alike, whatever their order
            if is_mixed_case and len(synonym) <= _MOST_CAPITALS and synonym.isupper():
                capitals[name].add(synonym)
            else:
                owner[fold(synonym).lower()] = name
        if kind is TermKind.REACTION:
            for synonym, name in list(owner.items()):
                for spelling in sorted(spellings(synonym)):
                    owner.setdefault(spelling, name)
        phrases: defaultdict[str, set[str]] = defaultdict(set)
        for phrase, name in owner.items():
            phrases[name].add(phrase)
        for is_capitals, of_name in ((False, phrases), (True, capitals)):
            for name, forms in of_name.items():
                self._add(forms, _Entry(kind, name, is_capitals=is_capitals))

    def _add(self, phrases: Iterable[str], entry: _Entry) -> None:
        """Look for `phrases`; one that folds to nothing is left out."""
        patterns = [self._nlp.make_doc(folded) for phrase in sorted(phrases) if (folded := fold(phrase))]
        if patterns:
            label = f"{entry.kind} {entry.is_capitals} {entry.name}"
            self._matcher.add(label, patterns)
            self._entries[self._nlp.vocab.strings[label]] = entry


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
        if mention.kind != TermKind.REACTION:
            mention.marks.discard("indication")  # says what a drug is for, nothing of the drug
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
