"""Accuracy of narrative reading on public corpora, with floors a little under what was measured (ADR 0006)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bench_narrative as bench

pytestmark = pytest.mark.shared_data


def test_ade_corpus(shared_data: Path) -> None:
    train, test = bench._ade_corpus(shared_data / "ade_text" / "ade_corpus_v2")
    assert not {sentence.text for sentence in train} & {sentence.text for sentence in test}
    names = {name for sentence in train for name in sentence.names}
    reader, baseline = bench._kelsey(bench._reader(names)), bench._substring(names)
    related = [sentence for sentence in test if sentence.pairs]
    known = bench.Score()
    for sentence in related:
        known.add(reader(sentence.text)[0] & sentence.names, sentence.names & names)
    assert known.recall > 0.9  # of the names that the vocabulary holds
    ours, peer = bench.Score(), bench.Score()
    for sentence in [*related, *[sentence for sentence in test if not sentence.pairs][:1000]]:
        ours.add(reader(sentence.text)[1], sentence.pairs)
        peer.add(baseline(sentence.text)[1], sentence.pairs)
    assert ours.precision > 0.45 > 10 * peer.precision
    assert ours.recall > 0.2


def test_psytar(shared_data: Path) -> None:
    folder = shared_data / "ade_text" / "psytar" / "all"
    train, test = bench._psytar(folder / "train.txt"), bench._psytar(folder / "dev.txt")
    names = {name for sentence in train for name in sentence.names}
    reader, score = bench._kelsey(bench._reader(names)), bench.Score()
    for sentence in test:
        score.add(reader(sentence.text)[0], sentence.names)
    assert score.recall > 0.4
    assert score.precision > 0.34
