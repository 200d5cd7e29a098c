import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cases.errors import ConfigurationError, ParameterError
from privacy.protocol import SurveillanceProtocol
from tests.privacy.examples import protocol


def test_cells_are_the_dense_product_and_back() -> None:
    example = protocol(drugs=3, reactions=4)
    numbers = [example.cell(drug, reaction) for drug in example.drugs for reaction in example.reactions]
    assert numbers == list(range(example.cell_count)) == list(range(12))
    assert all(example.cell(*example.pair(number)) == number for number in range(12))
    assert example.cell("drug 9", "reaction 0") is None
    assert example.cell("drug 0", "reaction 9") is None
    with pytest.raises(ParameterError, match="cell"):
        example.pair(12)


def test_hash_is_that_of_the_canonical_json_and_changes_with_every_field() -> None:
    example = protocol()
    assert example.hash == hashlib.sha256(example.encode()).hexdigest()
    document = json.loads(example.encode())
    assert list(document) == sorted(document)
    of_sums = {"minimum_cohort", "honest_fraction"}
    of_buckets = {"active_cells", "residual_buckets"}
    unset = of_sums | of_buckets | {"factorisation"}
    assert set(document) == set(example.__struct_fields__) - unset  # defaults are written out too
    summed = protocol(trust_mode="secure-sum", minimum_cohort=10, honest_fraction=0.8)
    assert set(json.loads(summed.encode())) == set(document) | of_sums
    assert SurveillanceProtocol.decode(summed.encode()) == summed
    others: dict[str, Any] = {
        "name": "other",
        "version": "2",
        "era": "2027",
        "vocabulary": "example@2",
        "drugs": ("drug 1", "drug 0", "drug 2"),
        "reactions": example.reactions[:3],
        "epsilon": 1.0,
        "delta": 1e-8,
        "wallet_capacity": 1.0,
        "wallet_operations": 8,
        "margin_share": 0.1,
        "coefficient_bits": 10,
        "with_narrative": True,
        "rules": ("ema",),
        "factorisation": "a" * 64,
    }
    bucketed = [
        protocol(active_cells=letter * 64, residual_buckets=buckets)
        for letter, buckets in (("a", 2), ("a", 4), ("b", 2))
    ]
    assert all(set(json.loads(each.encode())) == set(document) | of_buckets for each in bucketed)
    hashes = {
        example.hash,
        *(each.hash for each in bucketed),
        protocol(epochs=13).hash,
        *(protocol(**{name: value}).hash for name, value in others.items()),
    }
    assert len(hashes) == 2 + len(others) + len(bucketed)


def test_written_and_read_back_it_is_the_same(tmp_path: Path) -> None:
    example = protocol(drugs=2, epsilon=0.1 + 0.2)
    example.dump(tmp_path / "protocol.json")
    loaded = SurveillanceProtocol.load(tmp_path / "protocol.json")
    assert loaded == example
    assert loaded.hash == example.hash


def test_a_wrong_file_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        SurveillanceProtocol.load(tmp_path / "missing.json")
    (tmp_path / "binary.json").write_bytes(b'{"name":"\xff"}')
    with pytest.raises(ConfigurationError, match="schema version 2"):
        SurveillanceProtocol.load(tmp_path / "binary.json")
    document = json.loads(protocol().encode())
    for change, message in (
        ({"epsilon": 0}, "epsilon"),
        ({"patients": 7}, "unknown field"),
        ({"schema_version": 1}, "schema_version"),
        ({"trust_mode": "trusted-hub"}, "trust_mode"),
        ({"trust_mode": "secure-sum"}, "minimum_cohort"),
        ({"trust_mode": "secure-sum", "minimum_cohort": 1, "honest_fraction": 0.8}, "minimum_cohort"),
        ({"trust_mode": "secure-sum", "minimum_cohort": 3, "honest_fraction": 1.5}, "honest_fraction"),
        ({"minimum_cohort": 3}, "secure-sum"),
        ({"calendar": document["calendar"] | {"unit": "year"}}, "calendar"),
    ):
        (tmp_path / "wrong.json").write_text(json.dumps(document | change))
        with pytest.raises(ConfigurationError, match=message):
            SurveillanceProtocol.load(tmp_path / "wrong.json")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"delta": 0.0}, "delta"),
        ({"delta": float("nan")}, "delta"),
        ({"wallet_capacity": 1.001}, "wallet_capacity"),
        ({"wallet_capacity": float("nan")}, "wallet_capacity"),
        ({"wallet_operations": 0}, "wallet_operations"),
        ({"margin_share": 1.0}, "margin_share"),
        ({"coefficient_bits": 3}, "coefficient_bits"),
        ({"factorisation": "square-root"}, "factorisation"),
        ({"factorisation": "a" * 64 + "\n"}, "factorisation"),
        ({"drugs": ()}, "drugs"),
        ({"drugs": ("a", "a")}, "distinct"),
        ({"reactions": ("",)}, "reactions"),
        ({"name": ""}, "name"),
        ({"drugs": 3000, "reactions": 3000}, "cells"),
    ],
)
def test_wrong_parameters_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        protocol(**fields)


def test_unusual_parameters_are_said_in_words() -> None:
    assert protocol().concerns() == ()
    said = protocol(epsilon=8.0, delta=1e-4, wallet_capacity=4.0, margin_share=0.5).concerns()
    assert [sentence.split()[0] for sentence in said] == ["epsilon", "delta", "wallet", "margin"]
