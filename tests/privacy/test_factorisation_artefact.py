"""The artefact: what is written is read, what was tampered with is refused, a protocol means exactly one."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases.errors import ConfigurationError, ParameterError
from privacy.calendar import EpochCalendar
from privacy.chosen_strategy import BUILT_IN, built_in_artefact, factorisation_beside
from privacy.factorisation import SquareRootFactorisation
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.optimal_strategy import optimal_strategy
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.workload import Workload
from tests.privacy.examples import protocol
from tests.privacy.strategies import ARTEFACTS, DENSE, EPOCHS, counting_with, in_full


def rewritten(artefact: FactorisationArtefact, **fields: Any) -> bytes:
    """The file with fields of the artefact replaced, and the hash made to fit."""
    inner = json.loads(artefact.encode())["artefact"] | fields
    canonical = json.dumps(inner, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return json.dumps({"artefact": inner, "sha256": hashlib.sha256(canonical).hexdigest()}).encode()


@pytest.mark.parametrize("name", ARTEFACTS)
def test_written_and_read_back_it_is_the_same(name: str, tmp_path: Path) -> None:
    artefact = ARTEFACTS[name]
    artefact.dump(tmp_path / "artefact.json")
    loaded = FactorisationArtefact.load(tmp_path / "artefact.json")
    assert loaded == artefact
    assert loaded.hash == artefact.hash
    assert np.array_equal(in_full(loaded.strategy), in_full(artefact.strategy))
    inner = json.loads(artefact.encode())["artefact"]
    assert FactorisationArtefact.decode(rewritten(artefact)).hash == artefact.hash, "the hash is of canonical JSON"
    assert inner["schema"] == "kelsey.factorisation/1"


def test_another_hash_is_refused() -> None:
    data = ARTEFACTS["dense"].encode().replace(b'"emphasis":1.45', b'"emphasis":1.46')
    with pytest.raises(ConfigurationError, match="its file says"):
        FactorisationArtefact.decode(data)


def test_a_violation_of_condition_s_is_refused_though_the_hash_fits() -> None:
    entries = np.array(DENSE.entries)
    entries[9, 3] = entries[9, 4] + 1
    packed = entries[np.tril_indices(EPOCHS)].astype("<u2").tobytes()
    with pytest.raises(ConfigurationError, match=r"condition \(S\)"):
        FactorisationArtefact.decode(rewritten(ARTEFACTS["dense"], entries=base64.b64encode(packed).decode()))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("dense", {"epochs": EPOCHS - 1}, "entries must be"),
        ("dense", {"epochs": 3000}, "entries must be"),
        ("dense", {"epochs": 0}, "epochs"),
        ("dense", {"coefficient_bits": 17}, "coefficient_bits"),
        ("dense", {"column_norm_squared": 1}, "column_norm_squared"),
        ("dense", {"buffers": [[1, 1]]}, "no buffers"),
        ("dense", {"schema": "kelsey.factorisation/2"}, "schema"),
        ("dense", {"kind": "tree"}, "kind"),
        ("dense", {"patients": 7}, "unknown field"),
        ("dense", {"workload": {"objective": "worst", "read_epochs": [EPOCHS], "emphasis": 2.0}}, "read_epochs"),
        ("dense", {"workload": {"objective": "worst", "read_epochs": [5, 5]}}, "read_epochs"),
        ("dense", {"workload": {"objective": "worst", "emphasis": 0.5}}, "emphasis"),
        ("dense", {"error_factors": {"worst": 1.0, "rms": 1.0, "read_worst": 1.0, "read_rms": 1.0}}, "error_factors"),
        ("buffered-toeplitz", {"entries": "AAAA"}, "no entries"),
        ("buffered-toeplitz", {"buffers": []}, "buffers"),
    ],
)
def test_what_the_integers_do_not_bear_out_is_refused(name: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FactorisationArtefact.decode(rewritten(ARTEFACTS[name], **fields))


def test_unreadable_files_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        FactorisationArtefact.load(tmp_path / "missing.json")
    for data in (b"", b"[]", b"\xff", b'{"artefact": 1}'):
        with pytest.raises(ConfigurationError, match="not a factorisation artefact"):
            FactorisationArtefact.decode(data)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_artefacts_are_as_good_as_said_and_small(name: str) -> None:
    artefact = built_in_artefact(name)
    assert artefact.hash == BUILT_IN[name]
    assert len(artefact.encode()) < 300_000
    assert artefact.epochs == 365
    factors = artefact.error_factors
    assert factors.read_worst <= 2.06
    assert factors.worst <= 2.9
    assert artefact.bound is not None
    assert factors.worst / artefact.bound < 1.0005, "no matrix could do much better"
    assert factors.read_worst * artefact.workload.emphasis / artefact.bound < 1.0005
    year = EpochCalendar("day", date(2027, 1, 1), 365)
    assert artefact.workload == Workload.of_calendar(year, objective="worst", read="month", emphasis=1.45)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_artefacts_are_near_a_bound_computed_anew(name: str) -> None:
    """A few steps are enough for the bound; the matrix itself takes ten times as many."""
    artefact = built_in_artefact(name)
    emphasis = artefact.workload.by_epoch(artefact.epochs)
    step = optimal_strategy(emphasis, objective="worst", maximum_steps=9).step
    assert artefact.error_factors.worst / step.bound < 1.001
    assert artefact.bound is not None
    assert artefact.bound >= step.bound


def test_a_protocol_without_a_factorisation_keeps_its_bytes_hash_and_releases() -> None:
    """Bytes as they were before a protocol could name one, but for the schema version; what releases follow from."""
    example, year = protocol(), protocol(epochs=365)
    for each, first_version in (
        (example, "14a89c3fa4fd42026bd4213902a4c135e6b07e3898014894f412f7efc9f71a6e"),
        (year, "e3e455b034b7f5d210bc3c92ce74b1f70427e457a356c934c8855dd24cb52780"),
    ):
        data = each.encode()
        assert b"factorisation" not in data
        assert hashlib.sha256(data.replace(b'"schema_version":2', b'"schema_version":1')).hexdigest() == first_version
        assert each.hash == hashlib.sha256(data).hexdigest()
    assert ReleaseSpec.of(example).hash == "3a91fc8a0e748b3bbb6bc32444c92a83920a85091df9110f39e86fea35d4f02e"
    assert ReleaseSpec.of(year).hash == "b5b34f2eb3eada8ad9531c511980b293c53065a86d8a909b4f3992db26fb3c95"
    assert isinstance(SurveillanceProtocol.decode(example.encode()).strategy, SquareRootFactorisation)


def test_the_artefact_is_found_beside_the_protocol_or_where_it_is_said_to_be(tmp_path: Path) -> None:
    made, file = counting_with("dense"), tmp_path / "protocol.json"
    made.dump(file)
    with pytest.raises(ConfigurationError, match="not at hand") as missing:
        SurveillanceProtocol.load(file)
    assert "protocol.factorisation.json" in missing.value.hint
    ARTEFACTS["dense"].dump(tmp_path / "elsewhere.json")
    loaded = SurveillanceProtocol.load(file, factorisation_file=tmp_path / "elsewhere.json")
    assert loaded == made
    assert loaded.hash == made.hash
    assert np.array_equal(in_full(loaded.strategy), in_full(DENSE))
    ARTEFACTS["dense"].dump(factorisation_beside(file))
    assert ReleaseSpec.of(SurveillanceProtocol.load(file)).hash == ReleaseSpec.of(made).hash
    ARTEFACTS["buffered-toeplitz"].dump(factorisation_beside(file))
    with pytest.raises(ConfigurationError, match="the protocol names"):
        SurveillanceProtocol.load(file)


def test_a_built_in_artefact_needs_no_file(tmp_path: Path) -> None:
    built_in = built_in_artefact("daily-year")
    made = protocol(epochs=365, factorisation=built_in.hash, coefficient_bits=12)
    made.dump(tmp_path / "protocol.json")
    assert SurveillanceProtocol.load(tmp_path / "protocol.json").strategy is built_in.strategy
    assert made.strategy is built_in.strategy


def test_an_artefact_that_does_not_fit_the_protocol_is_refused(tmp_path: Path) -> None:
    dense = ARTEFACTS["dense"]
    for fields, message in (
        ({"epochs": EPOCHS + 1}, "epochs"),
        ({"coefficient_bits": 8}, "coefficient_bits"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            counting_with("dense", **fields)
    with pytest.raises(ConfigurationError, match="not at hand"):
        ReleaseSpec.of(protocol(epochs=EPOCHS, factorisation=dense.hash, coefficient_bits=12))
    with pytest.raises(ConfigurationError, match="square root"):
        protocol(epochs=EPOCHS).bind(dense)
    protocol().dump(tmp_path / "protocol.json")
    with pytest.raises(ConfigurationError, match="names no factorisation"):
        SurveillanceProtocol.load(tmp_path / "protocol.json", factorisation_file=tmp_path / "any.json")


def test_workloads_follow_the_calendar() -> None:
    def read(unit: Any, start: date, count: int, every: Any) -> tuple[int, ...]:
        calendar = EpochCalendar(unit, start, count)
        return Workload.of_calendar(calendar, objective="worst", read=every, emphasis=2.0).read_epochs

    assert read("day", date(2028, 1, 1), 61, "month") == (30, 59, 60)  # a leap year, and the era's last day
    assert read("week", date(2027, 1, 4), 13, "month") == (3, 7, 11, 12)
    assert read("month", date(2027, 1, 1), 12, "quarter") == (2, 5, 8, 11)
    assert read("day", date(2027, 1, 1), 365, "all") == ()
    with pytest.raises(ParameterError, match="read_epochs"):
        Workload(objective="worst", read_epochs=(4,), emphasis=2.0).by_epoch(4)
