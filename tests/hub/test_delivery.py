"""Webhooks over real sockets: signed, ordered, retried by the clock, stopped by 410, never led astray."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import standardwebhooks
from sqlalchemy import func, select

from hub import schema
from hub.address_guard import AddressGuard, Resolver, resolve
from hub.delivery import WebhookDeliverer
from hub.errors import UnknownIdError
from hub.lifecycle import SdrState
from hub.metrics import HubMetrics
from hub.retry_schedule import ATTEMPTS
from hub.roles import Role
from hub.signals import SignalBook
from hub.store import HubStore
from hub.subscriptions import DeliveryStatus, Subscription, SubscriptionBook, SubscriptionStatus
from tests.hub.certificate import make_certificate
from tests.hub.federation import make_protocol
from tests.hub.receiver import Receiver
from tests.hub.test_signals import candidate, raise_all


class Clock:
    """A clock that moves when told; it starts now, as receivers refuse old signatures."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Bench:
    """A store with events, a clock, and a deliverer whose attempts are made by `step`."""

    def __init__(
        self, store: HubStore, *, allowed: tuple[str, ...] = ("127.0.0.1",), resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None, timeout_seconds: float = 5.0,
    ) -> None:  # fmt: skip
        self.store, self.clock, self.metrics = store, Clock(), HubMetrics()
        self.book, self.signals = SubscriptionBook(store), SignalBook(store)
        self._guard, self._tls, self._timeout_seconds = AddressGuard(allowed, resolver=resolver), tls, timeout_seconds

    def step(self) -> int:
        """One round of attempts."""

        async def once() -> int:
            return await self.deliverer().step()

        return asyncio.run(once())

    def deliverer(self) -> WebhookDeliverer:
        return WebhookDeliverer(
            self.store, make_protocol(), self._guard, self.metrics, source="https://hub.example", clock=self.clock,
            timeout_seconds=self._timeout_seconds, tls=self._tls, jitter=lambda: 0.5,
        )  # fmt: skip

    def subscribe(self, url: str, **fields: object) -> Subscription:
        return self.book.add(owner="key-1", url=url, at=self.clock(), **fields)  # type: ignore[arg-type]  # passed on

    def statuses(self, subscription: Subscription) -> list[str]:
        """Of the attempts, oldest first."""
        return [str(item.status) for item in reversed(self.book.deliveries(subscription.id))]

    def counted(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("kelsey_hub_deliveries_total", {"result": result}) or 0.0


@pytest.fixture
def bench(store: HubStore) -> Bench:
    return Bench(store)


def test_events_arrive_signed_in_order_and_as_cloud_events(bench: Bench) -> None:
    with Receiver() as receiver:
        subscription = bench.subscribe(receiver.url)
        first, second = raise_all(bench.store, candidate(), candidate(drug="drug 4"))
        bench.signals.transition(
            first.id, SdrState.VALIDATED, actor="officer", role=Role.OFFICER, reason="plausible", at=bench.clock()
        )
        assert bench.book.pending() == 3
        assert [bench.step() for _ in range(4)] == [1, 1, 1, 0]
        got = receiver.wait_for(3)
    verifier = standardwebhooks.Webhook(subscription.secret)
    events = [verifier.verify(item.body, item.headers) for item in got]
    assert [event["id"] for event in events] == ["1", "2", "3"]
    assert [event["subject"] for event in events] == [first.id, second.id, first.id]
    event = events[2]
    assert (event["specversion"], event["source"]) == ("1.0", "https://hub.example")
    assert event["type"] == "org.kelsey.sdr.validated.v1"
    assert event["data"]["sdr"]["statistic"]["n_sd"] == 8.1
    assert event["data"]["protocol"]["epsilon"] == 3.0
    assert "not evidence" in event["data"]["disclaimer"]
    assert got[0].path == "/hook?from=kelsey"
    assert got[0].headers["content-type"] == "application/cloudevents+json"
    assert got[0].headers["webhook-id"] == "kelsey-event-1"
    assert bench.book.pending() == 0
    assert bench.statuses(subscription) == ["delivered"] * 3
    assert bench.counted("delivered") == 3


def test_a_new_subscription_starts_now_or_where_it_says(bench: Bench) -> None:
    raise_all(bench.store, candidate(), candidate(drug="drug 4"))
    with Receiver() as receiver:
        bench.subscribe(receiver.url)
        assert bench.step() == 0
        bench.subscribe(receiver.url, after=1)
        assert [bench.step(), bench.step()] == [1, 0]
        assert msgspec.json.decode(receiver.wait_for(1)[0].body)["id"] == "2"


def test_filters_let_through_what_was_asked_for(bench: Bench) -> None:
    with Receiver() as receiver:
        bench.subscribe(receiver.url, drug="drug 4", states=(SdrState.VALIDATED,))
        one, four = raise_all(bench.store, candidate(), candidate(drug="drug 4"))
        for sdr in (one, four):
            bench.signals.transition(
                sdr.id, SdrState.VALIDATED, actor="o", role=Role.OFFICER, reason="r", at=bench.clock()
            )
        assert bench.book.pending() == 1
        assert [bench.step(), bench.step()] == [1, 0]
        event = msgspec.json.decode(receiver.wait_for(1)[0].body)
    assert (event["subject"], event["type"]) == (four.id, "org.kelsey.sdr.validated.v1")


def test_failures_are_retried_on_schedule_and_hold_the_order(bench: Bench) -> None:
    with Receiver([(500, {}), (301, {"location": "http://127.0.0.1:1/"}), (404, {})]) as receiver:
        subscription = bench.subscribe(receiver.url)
        raise_all(bench.store, candidate(), candidate(drug="drug 4"))
        for wait in (5, 30, 120):
            assert bench.step() == 1
            bench.clock.pass_seconds(wait - 0.1)
            assert bench.step() == 0  # not yet
            bench.clock.pass_seconds(0.2)
        assert [bench.step() for _ in range(3)] == [1, 1, 0]
        ids = [msgspec.json.decode(item.body)["id"] for item in receiver.wait_for(5)]
    assert ids == ["1", "1", "1", "1", "2"]
    assert bench.statuses(subscription) == ["retried"] * 3 + ["delivered"] * 2
    attempts = [(item.attempt, item.http_status) for item in reversed(bench.book.deliveries(subscription.id))]
    assert attempts == [(1, 500), (2, 301), (3, 404), (4, 204), (1, 204)]
    assert (bench.counted("retried"), bench.counted("delivered")) == (3, 2)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(bench: Bench, status: int) -> None:
    with Receiver([(status, {"retry-after": "900"})]) as receiver:
        bench.subscribe(receiver.url)
        raise_all(bench.store, candidate())
        assert bench.step() == 1
        bench.clock.pass_seconds(890)
        assert bench.step() == 0
        bench.clock.pass_seconds(11)
        assert bench.step() == 1
        receiver.wait_for(2)


def test_410_ends_the_subscription(bench: Bench) -> None:
    with Receiver([(410, {})]) as receiver:
        subscription = bench.subscribe(receiver.url)
        raise_all(bench.store, candidate(), candidate(drug="drug 4"))
        assert bench.step() == 1
        bench.clock.pass_seconds(1e6)
        assert bench.step() == 0
        assert len(receiver.received) == 1
    assert bench.book.get(subscription.id).status is SubscriptionStatus.STOPPED
    assert bench.statuses(subscription) == ["stopped"]
    assert bench.book.pending() == 0


def test_after_the_last_attempt_the_next_event_has_its_turn(bench: Bench) -> None:
    answers: list[tuple[int, Mapping[str, str]]] = [(500, {})] * ATTEMPTS
    with Receiver(answers) as receiver:
        subscription = bench.subscribe(receiver.url)
        raise_all(bench.store, candidate(), candidate(drug="drug 4"))
        for _ in range(ATTEMPTS):
            assert bench.step() == 1
            bench.clock.pass_seconds(15 * 3600)
        assert bench.step() == 1
        last = receiver.wait_for(ATTEMPTS + 1)[-1]
    assert msgspec.json.decode(last.body)["id"] == "2"
    assert bench.statuses(subscription) == ["retried"] * (ATTEMPTS - 1) + ["failed", "delivered"]
    assert bench.counted("failed") == 1


def test_one_receiver_that_is_away_holds_up_nobody_else(bench: Bench) -> None:
    with socket.socket() as closed, Receiver() as receiver:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        away = bench.subscribe(f"http://127.0.0.1:{closed.getsockname()[1]}/")
        bench.subscribe(receiver.url)
        raise_all(bench.store, candidate())
        assert bench.step() == 2
        receiver.wait_for(1)
    (attempt,) = bench.book.deliveries(away.id)
    assert (attempt.status, attempt.http_status, attempt.error) == (DeliveryStatus.RETRIED, None, "connection")


def test_a_receiver_that_never_answers_times_out(store: HubStore) -> None:
    bench = Bench(store, timeout_seconds=0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        subscription = bench.subscribe(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        raise_all(store, candidate())
        assert bench.step() == 1
    assert bench.book.deliveries(subscription.id)[0].error == "timeout"


def test_a_name_that_turns_private_later_is_not_followed(store: HubStore) -> None:
    """DNS rebinding: public when subscribed, the own machine when called."""
    answers = ["93.184.215.14", "127.0.0.1"]

    async def rebinding(_host: str, _port: int) -> list[str]:
        return [answers.pop(0)]

    bench = Bench(store, allowed=(), resolver=rebinding)
    with Receiver() as receiver:
        url = f"https://rebinding.example:{receiver.port}/hook"
        asyncio.run(AddressGuard(resolver=rebinding).check(url))
        subscription = bench.subscribe(url)
        raise_all(store, candidate())
        assert bench.step() == 1
        assert receiver.received == []
    assert bench.book.deliveries(subscription.id)[0].error == "address-refused"
    assert answers == []  # asked once: the address that was checked is the one that would have been called


def test_tls_is_verified_against_the_name_not_the_address(store: HubStore, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "receiver.example")

    async def here(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    trusting = ssl.create_default_context(cafile=str(certificate))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    bench = Bench(store, resolver=here, tls=trusting)
    with Receiver() as receiver:
        receiver._server.socket = served.wrap_socket(receiver._server.socket, server_side=True)
        right = bench.subscribe(f"https://receiver.example:{receiver.port}/")
        wrong = bench.subscribe(f"https://somebody-else.example:{receiver.port}/")
        raise_all(store, candidate())
        assert bench.step() == 2
        got = receiver.wait_for(1)
    assert bench.statuses(right) == ["delivered"]
    assert bench.book.deliveries(wrong.id)[0].error == "connection"
    assert got[0].headers["host"] == f"receiver.example:{receiver.port}"


def test_a_claim_keeps_a_second_process_away_until_it_passes(bench: Bench) -> None:
    with Receiver() as receiver:
        subscription = bench.subscribe(receiver.url)
        raise_all(bench.store, candidate())
        until = bench.clock() + timedelta(seconds=30)
        assert bench.book.claim(subscription, until=until)  # and then that process dies
        assert not bench.book.claim(subscription, until=until)
        assert bench.step() == 0
        bench.clock.pass_seconds(31)
        assert bench.step() == 1
        receiver.wait_for(1)


def test_two_processes_deliver_once(bench: Bench) -> None:
    async def both() -> int:
        return sum(await asyncio.gather(bench.deliverer().step(), bench.deliverer().step()))

    with Receiver() as receiver:
        bench.subscribe(receiver.url)
        raise_all(bench.store, candidate())
        assert asyncio.run(both()) == 1
        assert len(receiver.wait_for(1)) == 1


def test_a_deleted_subscription_is_gone_and_its_log_stays(bench: Bench) -> None:
    with Receiver() as receiver:
        subscription = bench.subscribe(receiver.url)
        raise_all(bench.store, candidate())
        assert bench.step() == 1
        bench.book.delete(subscription.id)
        raise_all(bench.store, candidate(drug="drug 4"))
        assert bench.step() == 0
    with pytest.raises(UnknownIdError):
        bench.book.get(subscription.id)
    with pytest.raises(UnknownIdError):
        bench.book.delete(subscription.id)
    with bench.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.delivery)).scalar_one() == 1


def test_a_long_backlog_of_unwanted_events_is_stepped_over(bench: Bench) -> None:
    with Receiver() as receiver:
        subscription = bench.subscribe(receiver.url, drug="drug wanted")
        raise_all(bench.store, *(candidate(drug=f"drug {number}") for number in range(1100)))
        raise_all(bench.store, candidate(drug="drug wanted"))
        assert [bench.step(), bench.step()] == [1, 0]
        assert len(receiver.wait_for(1)) == 1
    assert bench.book.get(subscription.id).cursor == 1101
