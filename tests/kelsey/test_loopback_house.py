"""Hub, aggregators and sites as processes on loopback: a year of records becomes a secure sum an officer can read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from cases import ServiceError, TermKind
from connectors import default_vocabulary
from connectors.generator import Hospital
from hub import schema
from hub.store import HubStore
from kelsey.loopback_house import LoopbackHouse
from privacy import EpochCalendar, SurveillanceProtocol
from tests.hub.waiting import eventually

pytestmark = pytest.mark.slow

SITES = ("east", "north", "south")
HOSPITALS = tuple(Hospital(name=name, share=1.0, r5_share=0.5, old_share=0.4) for name in SITES)


def protocol() -> SurveillanceProtocol:
    words = default_vocabulary()
    return SurveillanceProtocol(
        name="test", version="1", era="2025", vocabulary=words.label, drugs=words.names(TermKind.DRUG),
        reactions=words.names(TermKind.REACTION), calendar=EpochCalendar("month", date(2025, 1, 1), 13), epsilon=20.0,
        delta=1e-6, rules=("noise-aware-z",), trust_mode="secure-sum", minimum_cohort=3, honest_fraction=0.8,
    )  # fmt: skip


def told(site: str, **more: Any) -> dict[str, Any]:
    hospitals = msgspec.to_builtins(HOSPITALS)
    return {"seed": 7, "records": 3000, "hospitals": hospitals, "hospital": site, **more}


def test_a_year_of_three_sites_is_summed_evaluated_and_read_whoever_of_the_others_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    epochs: list[int] = []
    killed = ["leader", "helper", "hub"]

    def on_epoch(steps: int) -> None:
        epochs.append(steps)
        if killed and sum(epochs) > 2 * (3 - len(killed)):  # one after the other, while sites send and sums arrive
            house._processes[killed.pop(0)].kill()

    with LoopbackHouse(tmp_path / "house", protocol(), SITES) as house:
        house.start({site: told(site) for site in SITES})
        house.wait(on_epoch=on_epoch, timeout_seconds=300)
        house._processes["hub"].kill()  # also when all is evaluated and somebody is about to read
        raised = {(sdr["drug"], sdr["reaction"]) for sdr in house.sdrs()}
        processes = list(house._processes.values())
    assert sum(epochs) == 13
    said = {f"the process of {name} ended with code -9; it is started again" for name in ("leader", "helper", "hub")}
    assert {record.getMessage() for record in caplog.records if record.name == "kelsey.loopback_house"} == said
    assert raised  # the strongest of the planted pairs, at so large an epsilon
    assert all(process.poll() is not None for process in processes)
    store = HubStore(f"sqlite:///{tmp_path / 'house/hub.db'}")
    with store.read() as connection:
        rows = connection.execute(select(schema.sum_share.c.role, schema.sum_share.c.sites)).all()
    store.close()
    assert sorted(row.role for row in rows) == ["helper"] * 13 + ["leader"] * 13
    assert {row.sites for row in rows} == {3}


def test_an_aggregator_that_cannot_run_is_named_after_some_attempts(tmp_path: Path) -> None:
    with LoopbackHouse(tmp_path / "house", protocol(), SITES) as house:
        house._launch("leader", "-c", "raise SystemExit('no key')")

        def is_given_up() -> ServiceError | None:
            try:
                house.look()
            except ServiceError as error:
                return error
            return None

        found = eventually(is_given_up)
    assert found is not None
    assert (found.message, found.hint) == ("the process of leader ended with code 1", f"see {house._log('leader')}")
    assert (tmp_path / "house/leader.log").read_text().splitlines() == ["no key"] * 4


def test_a_process_that_fails_is_named_and_the_others_are_ended(tmp_path: Path) -> None:
    with LoopbackHouse(tmp_path / "house", protocol(), SITES) as house:
        house.start({site: told(site, records=0 if site == "north" else 10) for site in SITES})
        with pytest.raises(ServiceError, match="process of north ended with code 1"):
            house.wait(on_epoch=lambda _steps: None, timeout_seconds=120)
        processes = list(house._processes.values())
    assert all(process.poll() is not None for process in processes)
