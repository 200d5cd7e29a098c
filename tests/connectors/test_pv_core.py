"""The vocabulary that ships."""

from __future__ import annotations

import re
from importlib.resources import files

from cases import TermKind
from connectors.pv_core import default_vocabulary, preferred_codes


def test_size_and_identity() -> None:
    vocabulary = default_vocabulary()
    assert vocabulary is default_vocabulary()
    assert vocabulary.label.startswith("pv-core@")
    assert len(vocabulary.names(TermKind.DRUG)) >= 40
    assert len(vocabulary.names(TermKind.REACTION)) >= 60


def test_every_term_has_a_code_of_its_own_and_synonyms() -> None:
    vocabulary = default_vocabulary()
    for kind in TermKind:
        codes = preferred_codes(kind)
        names = vocabulary.names(kind)
        assert set(codes) == set(names)
        assert len(set(codes.values())) == len(names)
        synonyms = vocabulary.synonyms(kind)
        assert all(sum(name == preferred for preferred in synonyms.values()) >= 2 for name in names)
        for name, code in codes.items():
            assert vocabulary.find(kind, codes=[code]).name == name


def test_no_licensed_codes() -> None:
    text = files("connectors").joinpath("pv_core.csv").read_text()
    assert not re.search(r"\b10\d{6}\b", text)
    systems = {line.split(",")[-2] for line in text.splitlines()[1:]}
    assert systems == {"", "urn:kelsey:pv-core", "http://www.nlm.nih.gov/research/umls/rxnorm"}
