"""Narrative reading: speed and accuracy beside plain substring search and beside negspacy.

Accuracy is measured on the ADE corpus, version 2 (Gurulingappa et al. 2012, doi:10.1016/j.jbi.2012.04.008) and on
PsyTAR (Zolnoori et al. 2019, doi:10.1016/j.dib.2019.103838), in the folder KELSEY_SHARED_DATA or `shared/data` beside
the repository. The vocabulary is made of the part that is not tested (the ADE corpus is split by article), so that
recall is bounded by how many names recur. Where KELSEY_NEGEX_FILE names the annotated sentences of ConText
(`genConText/rsAnnotations-1-120-random.txt` of github.com/chapmanbe/negex), negation is measured on half of them.
"""

from __future__ import annotations

import csv
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.shared_data import data_folder
from benchmarks.table import Row
from cases import Assertion, DrugRole, TermKind, Vocabulary
from detectors import NarrativeReader
from detectors._wording import spellings

__all__ = ["run"]

Found = set[tuple[str, str]]  # (kind, name) of names, (drug, reaction) of pairs
System = Callable[[str], tuple[Found, Found]]  # names a text holds, and the pairs that would be counted


@dataclass(slots=True)
class Sentence:
    """A sentence with the names and pairs its annotators found in it."""

    text: str
    names: Found = field(default_factory=set)
    pairs: Found = field(default_factory=set)


@dataclass(slots=True)
class Score:
    """Right, found and true ones, over many sentences."""

    right: int = 0
    found: int = 0
    true: int = 0

    def add(self, found: Found, true: Found) -> None:
        self.right += len(found & true)
        self.found += len(found)
        self.true += len(true)

    @property
    def precision(self) -> float:
        return self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.true, 1)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(self.found + self.true, 1)


def run() -> list[Row]:
    """Print precision and recall of every system; give a row for each comparison."""
    folder = data_folder("ade_text")
    train, test = _ade_corpus(folder / "ade_corpus_v2")
    systems = _systems({name for sentence in train for name in sentence.names})
    rows = [_speed_row(systems, test)]
    scores = {name: _accuracy(f"ADE corpus, {name}", system, test) for name, system in systems.items()}
    for index, what in enumerate(("drugs found", "reactions found", "pairs counted")):
        for peer, label in (("substring", "substring search"), ("negspacy", "negspacy")):
            rows.append(_row(f"ADE corpus, {what}, F1", scores["kelsey"][index].f1, label, scores[peer][index].f1))
    train, test = _psytar(folder / "psytar" / "all" / "train.txt"), _psytar(folder / "psytar" / "all" / "dev.txt")
    systems = _systems({name for sentence in train for name in sentence.names})
    scores = {name: _accuracy(f"PsyTAR, {name}", system, test) for name, system in systems.items()}
    for peer, label in (("substring", "substring search"), ("negspacy", "negspacy")):
        rows.append(_row("PsyTAR, reactions found, F1", scores["kelsey"][1].f1, label, scores[peer][1].f1))
    if "KELSEY_NEGEX_FILE" in os.environ:
        rows.append(_negation_row(Path(os.environ["KELSEY_NEGEX_FILE"])))
    return rows


def _row(what: str, ours: float, peer: str, peer_value: float) -> Row:
    return Row(what, ours, peer, peer_value, "", ours / peer_value, "at least 1x", ours >= peer_value)


# --- systems ----------------------------------------------------------------------------------------------------


def _systems(names: Found) -> dict[str, System]:
    """The three systems, each for the same names."""
    return {"kelsey": _kelsey(_reader(names)), "substring": _substring(names), "negspacy": _negspacy(names)}


def _reader(names: Found) -> NarrativeReader:
    synonyms = {kind: {name: name for of, name in sorted(names) if of == kind} for kind in TermKind}
    return NarrativeReader(Vocabulary(name="train", version="1", synonyms=synonyms, codes={}))


def _kelsey(reader: NarrativeReader) -> System:
    def read(text: str) -> tuple[Found, Found]:
        found = reader.read(text)
        drugs = {use.drug.name: use.role for use in found.drugs if use.drug.name}
        reactions = {item.reaction.name: item.assertion for item in found.reactions if item.reaction.name}
        pairs = {
            (drug, reaction)
            for drug, role in drugs.items()
            for reaction, assertion in reactions.items()
            if role is not DrugRole.CONCOMITANT and assertion is Assertion.PRESENT
        }
        return {("drug", name) for name in drugs} | {("reaction", name) for name in reactions}, pairs

    return read


def _all_pairs(names: Found) -> Found:
    drugs = {name for kind, name in names if kind == "drug"}
    return {(drug, name) for drug in drugs for kind, name in names if kind == "reaction"}


def _substring(names: Found) -> System:
    def read(text: str) -> tuple[Found, Found]:
        lower = text.lower()
        found = {(kind, name) for kind, name in names if name in lower}
        return found, _all_pairs(found)

    return read


def _negspacy(names: Found) -> System:
    """Its documented use: entities by phrase, sentences by rule, Negex with its own clinical terms."""
    import negspacy.negation  # registers the component
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    ruler: Any = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns([{"label": kind, "pattern": name, "id": name} for kind, name in sorted(names)])
    nlp.add_pipe("negex")
    assert negspacy.negation.Negex is not None

    def read(text: str) -> tuple[Found, Found]:
        entities = nlp(text).ents
        found = {(span.label_, span.ent_id_) for span in entities}
        return found, _all_pairs({(span.label_, span.ent_id_) for span in entities if not span._.negex})

    return read


# --- measures ---------------------------------------------------------------------------------------------------


def _accuracy(label: str, system: System, sentences: Sequence[Sentence]) -> list[Score]:
    """Scores for drugs, reactions and pairs; also printed."""
    scores = [Score(), Score(), Score()]
    for sentence in sentences:
        names, pairs = system(sentence.text)
        for score, kind in zip(scores, ("drug", "reaction"), strict=False):
            score.add({n for n in names if n[0] == kind}, {n for n in sentence.names if n[0] == kind})
        scores[2].add(pairs, sentence.pairs)
    for what, score in zip(("drugs", "reactions", "pairs"), scores, strict=True):
        if not score.true:
            continue  # PsyTAR names reactions only
        print(
            f"{label:22} {what:10} precision {score.precision:.3f}  recall {score.recall:.3f}  F1 {score.f1:.3f}"
            f"  ({score.true} true, {score.found} found)"
        )
    return scores


def _speed_row(systems: dict[str, System], sentences: Sequence[Sentence]) -> Row:
    """Narratives of three sentences a second of processor time, best of four passes after one that fills the caches."""
    texts = [" ".join(s.text for s in sentences[i : i + 3]) for i in range(0, min(len(sentences), 3000), 3)]
    words = sum(len(text.split()) for text in texts) / len(texts)
    seconds: dict[str, list[float]] = {"kelsey": [], "negspacy": []}
    for _ in range(5):
        for name, spent in seconds.items():  # in turn, so that both meet the same weather
            start = time.process_time()
            for text in texts:
                systems[name](text)
            spent.append(time.process_time() - start)
    rates = {name: len(texts) / min(spent[1:]) for name, spent in seconds.items()}
    ours, peer = rates["kelsey"], rates["negspacy"]
    what = f"narratives of {words:.0f} words read"
    return Row(what, ours, "negspacy", peer, "narratives/s", ours / peer, "over 4,000/s (0.25 ms)", ours > 4000)


def _negation_row(path: Path) -> Row:
    """F1 of `negated` on every second ConText sentence (the others were looked at when the word list was tuned)."""
    with path.open(encoding="latin-1", newline="") as file:
        lines = [line for line in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(line) > 5]
    lines = [line for line in lines if line[4] in ("Affirmed", "Negated")]
    names = {("reaction", " ".join(line[2].lower().split())) for line in lines}
    reader = _reader(names)
    peer = _negspacy(names | {("drug", "\N{BULLET}")})
    ours_score, peer_score = Score(), Score()
    for line in lines[1::2]:
        name, text = " ".join(line[2].lower().split()), " ".join(line[3].split())
        true = {("reaction", name)} if line[4] == "Negated" else set()
        found = {item.reaction.name for item in reader.read(text).reactions if item.assertion is Assertion.NEGATED}
        ours_score.add({("reaction", name)} if name in found else set(), true)
        names_found, pairs = peer("\N{BULLET} " + text)
        is_negated = ("reaction", name) in names_found and ("\N{BULLET}", name) not in pairs
        peer_score.add({("reaction", name)} if is_negated else set(), true)
    for label, score in (("kelsey", ours_score), ("negspacy", peer_score)):
        print(f"ConText, {label:13} negated    precision {score.precision:.3f}  recall {score.recall:.3f}")
    return _row("ConText sentences, negated, F1", ours_score.f1, "negspacy", peer_score.f1)


# --- data -------------------------------------------------------------------------------------------------------


def _name(text: str) -> str:
    """One name for all spellings of a reaction, so that no system is punished for finding a plural."""
    return min(spellings(" ".join(text.lower().split())))


def _ade_corpus(folder: Path) -> tuple[list[Sentence], list[Sentence]]:
    """Sentences with and without drug-reaction relations, those of four of five articles and of the fifth."""
    sentences: tuple[dict[str, Sentence], dict[str, Sentence]] = ({}, {})
    for line in (folder / "DRUG-AE.rel").read_text(encoding="utf-8").splitlines():
        article, text, reaction, _, _, drug, _, _ = line.split("|")
        sentence = sentences[_is_test(article)].setdefault(text, Sentence(text))
        sentence.names |= {("drug", drug.lower()), ("reaction", _name(reaction))}
        sentence.pairs.add((drug.lower(), _name(reaction)))
    for line in (folder / "ADE-NEG.txt").read_text(encoding="utf-8").splitlines():
        article, _, text = line.split(" ", 2)
        sentences[_is_test(article)].setdefault(text, Sentence(text))
    train, test = sentences
    return list(train.values()), [test[text] for text in test if text not in train]  # some stand in two articles


def _is_test(article: str) -> bool:
    return zlib.crc32(article.encode()) % 5 == 0


def _psytar(path: Path) -> list[Sentence]:
    """Sentences of consumer reviews with their adverse reactions (tags B-ADR, I-ADR)."""
    return [sentence for block in path.read_text(encoding="utf-8").split("\n\n") for sentence in _tagged(block)]


def _tagged(block: str) -> Iterator[Sentence]:
    tokens = [line.split("\t") for line in block.splitlines() if "\t" in line]
    if not tokens:
        return
    mentions: list[list[str]] = []
    for token, tag in tokens:
        if tag == "B-ADR" or (tag == "I-ADR" and not mentions):
            mentions.append([token])
        elif tag == "I-ADR":
            mentions[-1].append(token)
    yield Sentence(" ".join(token for token, _ in tokens), {("reaction", _name(" ".join(m))) for m in mentions})
