"""A ledger from an old backup must not lead to a second draw: the hub knows what it has, and the gate asks."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import httpx
import pytest

from cases import IntegrityError, ServiceError
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import Published
from streams.gate import Gate
from streams.gate_store import GateStore
from streams.http_release_sink import HttpReleaseSink
from streams.testing import InMemorySink
from tests.streams.make import SIGNING_KEY, protocol

UNDER = protocol(epochs=6)


def gate(folder: Path, last_published: Published | None = None) -> Gate:
    return Gate(
        site_id="alpha",
        protocol=UNDER,
        signing_key=SIGNING_KEY,
        store=GateStore(folder / "gate.sqlite"),
        ledger=BudgetLedger(folder / "ledger.sqlite", last_published=last_published),
    )


def sink(answer: httpx.Response) -> HttpReleaseSink:
    return HttpReleaseSink("https://hub.example", api_key="k", transport=httpx.MockTransport(lambda _: answer))


@pytest.mark.parametrize("is_lost", [False, True], ids=["one epoch back", "gone"])
def test_a_restored_or_lost_ledger_releases_nothing(tmp_path: Path, is_lost: bool) -> None:
    first = gate(tmp_path)
    if not is_lost:
        first.release(0)
        first.deliver(InMemorySink())
    first.close()
    backup = tmp_path / "backup.sqlite"
    shutil.copy(tmp_path / "ledger.sqlite", backup)
    again = gate(tmp_path)
    epoch = 0 if is_lost else 1
    line = again.release(epoch)
    assert line is not None
    again.deliver(InMemorySink())
    again.close()

    shutil.copy(backup, tmp_path / "ledger.sqlite")
    published = Published(UNDER.era, epoch, hashlib.sha256(line).hexdigest())
    restored = gate(tmp_path, published)
    with pytest.raises(IntegrityError, match="restored from an older backup"):
        restored.release(epoch)
    restored.close()


def test_an_intact_ledger_goes_on(tmp_path: Path) -> None:
    first = gate(tmp_path)
    line = first.release(0)
    assert line is not None
    first.deliver(InMemorySink())
    first.close()
    again = gate(tmp_path, Published(UNDER.era, 0, hashlib.sha256(line).hexdigest()))
    assert again.release(1) is not None
    again.close()


def test_the_sink_learns_what_the_hub_has() -> None:
    latest = {"era": "2026", "epoch": 3, "sequence": 3, "digest": "0" * 64}
    assert sink(httpx.Response(200, json=latest)).last_published() == Published("2026", 3, "0" * 64)
    assert sink(httpx.Response(200, content=b"null")).last_published() is None
    for answer in (httpx.Response(503), httpx.Response(401), httpx.Response(200, text="<html>")):
        with pytest.raises(ServiceError, match="did not say what it has"):
            sink(answer).last_published()
