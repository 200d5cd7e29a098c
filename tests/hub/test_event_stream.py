"""Server-sent events over a real connection: live, resumable, alive when quiet, gone when the client is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from hub.lifecycle import SdrState
from hub.roles import Role
from hub.signals import SignalBook
from hub.store import HubStore
from tests.hub.federation import NOW
from tests.hub.served_hub import ServedHub
from tests.hub.test_signals import candidate, raise_all
from tests.hub.waiting import eventually


class Stream:
    """Reads one event stream, block by block."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def block(self) -> list[str]:
        """Lines up to the next empty one."""
        lines: list[str] = []
        for line in self._lines:
            if not line:
                return lines
            lines.append(line)
        return lines

    def event(self) -> dict[str, Any]:
        """The next event, heartbeats passed over: its fields, `data` decoded."""
        while True:
            fields = dict(line.split(": ", 1) for line in self.block() if not line.startswith(":"))
            if "data" in fields:
                return {**fields, "data": msgspec.json.decode(fields["data"])}
            assert fields.keys() <= {"retry"}


@contextmanager
def stream(served: ServedHub, headers: dict[str, str] | None = None, **parameters: int) -> Iterator[Stream]:
    with served.client(Role.OFFICER).stream("GET", "/v1/events", params=parameters, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def test_events_arrive_as_they_happen_and_resume_after_the_last(served: ServedHub, store: HubStore) -> None:
    with stream(served) as live:
        assert live.block() == ["retry: 5000"]
        sdr = raise_all(store, candidate())[0]
        event = live.event()
        assert (event["id"], event["event"]) == ("1", "org.kelsey.sdr.raised.v1")
        assert event["data"]["subject"] == sdr.id
        served.client(Role.OFFICER).post(
            f"/v1/sdrs/{sdr.id}/transitions", json={"to_state": "validated", "reason": "plausible"}
        )
        assert live.event()["data"]["data"]["transition"]["reason"] == "plausible"
    SignalBook(store).transition(sdr.id, SdrState.CONFIRMED, actor="r", role=Role.REGULATOR, reason="agreed", at=NOW)
    with stream(served, {"last-event-id": "1"}) as resumed:
        assert [resumed.event()["id"], resumed.event()["id"]] == ["2", "3"]
    with stream(served, after=0) as whole:
        assert [whole.event()["data"]["type"].split(".")[-2] for _ in range(3)] == ["raised", "validated", "confirmed"]


def test_a_quiet_stream_has_a_heartbeat(served: ServedHub) -> None:
    with stream(served) as quiet:
        assert quiet.block() == ["retry: 5000"]
        assert [quiet.block() for _ in range(3)] == [[": heartbeat"]] * 3


def test_a_long_past_is_sent_completely_and_in_order(served: ServedHub, store: HubStore) -> None:
    raise_all(store, *(candidate(drug=f"drug {number}") for number in range(1200)))
    with stream(served, after=0) as past:
        assert [int(past.event()["id"]) for _ in range(1200)] == list(range(1, 1201))


def test_clients_that_leave_are_noticed(served: ServedHub) -> None:
    def clients() -> float:
        text = served.client(None).get("/metrics").text
        return next(
            float(line.split()[1]) for line in text.splitlines() if line.startswith("kelsey_hub_stream_clients")
        )

    with stream(served) as one:
        one.block()
        with stream(served) as two:
            two.block()
            assert clients() == 2
    assert eventually(lambda: clients() == 0)


def test_a_hub_that_stops_ends_its_streams(served: ServedHub) -> None:
    with stream(served) as open_stream:
        open_stream.block()
        served.stop()
        while open_stream.block():
            pass  # heartbeats until the end
    assert served.is_stopped()
