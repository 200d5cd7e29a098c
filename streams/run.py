"""The processes of a site: one role each, or all three under a supervisor."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType

from cases import ConfigurationError, IntegrityError, ServiceError
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import Published
from privacy.protocol import SurveillanceProtocol
from streams.acceptance import require_acceptance
from streams.aggregator_pair import AggregatorPair
from streams.connect import Connector
from streams.gate import Gate
from streams.gate_runner import GateRunner
from streams.gate_store import GateStore
from streams.health_server import HealthServer, shifted
from streams.http_release_sink import HttpReleaseSink
from streams.kafka_part_reader import KafkaPartReader
from streams.log_setup import set_up_logging
from streams.metrics import SiteMetrics
from streams.raw_writer import RawWriter
from streams.run_worker import run_worker
from streams.secure_sum_settings import open_aggregators
from streams.settings import SiteSettings, load_site_settings
from streams.sources import build_source
from streams.supervisor import Supervisor

__all__ = ["ROLES", "run_connector", "run_gate", "run_role", "run_site", "run_worker"]

ROLES = ("connector", "worker", "gate")  # in the order of their metrics ports
_log = logging.getLogger("kelsey.run")
_ALIVE_SECONDS = 120.0


def run_role(settings: SiteSettings, role: str, *, metrics_listen: str | None = None) -> int:
    """Run one role in this process until SIGTERM or SIGINT; returns the exit code.

    Raises `ConfigurationError` for settings that cannot be used.
    """
    listen = metrics_listen or settings.site.metrics_listen
    if role == "worker":
        run_worker(settings, metrics_listen=listen)
        return 0
    if role == "connector":
        return run_connector(settings, metrics_listen=listen)
    if role == "gate":
        return run_gate(settings, metrics_listen=listen)
    raise ConfigurationError(f"role must be one of {', '.join(ROLES)}, not {role!r}")


def run_site(config: Path) -> int:
    """Run all roles, each in a process of its own, until SIGTERM or SIGINT; returns the exit code.

    A process that ends is started again, with a growing wait. Without ``[hub]`` or ``[secure_sum]`` there is no gate,
    without ``[[source]]`` no connector.
    """
    settings = load_site_settings(config)
    settings.require_kafka()
    set_up_logging(settings.site.log_format)
    command = [sys.executable, "-m", "streams.role"]
    is_releasing = settings.hub is not None or settings.secure_sum is not None
    wanted = {"connector": bool(settings.sources), "worker": True, "gate": is_releasing}
    children = {
        role: [*command, str(config), role, shifted(settings.site.metrics_listen, number)]
        for number, role in enumerate(ROLES)
        if wanted[role]
    }
    supervisor = Supervisor(lambda role: subprocess.Popen(children[role]), tuple(children))  # noqa: S603 -- our own
    stopping = _on_signals()
    supervisor.run(stopping)
    return 0


def run_connector(settings: SiteSettings, *, metrics_listen: str) -> int:
    """Read every source of the site into the raw topic."""
    if not settings.sources:
        raise ConfigurationError("site.toml has no [[source]]", hint="add one, or put files in with `kelsey replay`")
    set_up_logging(settings.site.log_format)
    stopping, metrics = _on_signals(), SiteMetrics()
    writer = _writer(settings, stopping)
    if writer is None:
        return 0
    connector = Connector(writer, cursor_path=settings.data_directory / "connector.sqlite", metrics=metrics)
    health = HealthServer(
        metrics_listen, registry=metrics.registry, is_alive=connector.is_alive, is_ready=connector.is_alive
    )
    connector.start(
        [(partial(build_source, settings, source), source.name, source.poll_seconds) for source in settings.sources]
    )
    _log.info("connector of site %s reads %d sources", settings.site.id, len(settings.sources))
    stopping.wait()
    connector.stop()
    writer.close()
    health.close()
    return 0


def run_gate(settings: SiteSettings, *, metrics_listen: str) -> int:
    """Release what is due and deliver it to the hub, under a protocol the site has accepted and no other."""
    protocol = settings.protocol()
    if protocol is None:
        raise ConfigurationError("the gate needs [site] protocol_file", hint="ask the hub's operator for the protocol")
    require_acceptance(settings.data_directory, protocol)
    set_up_logging(settings.site.log_format)
    stopping, metrics = _on_signals(), SiteMetrics()
    sink = _sink(settings, protocol)
    beat = [time.monotonic(), 0.0]  # last sign of life, last turn that could read the parts
    health = HealthServer(
        metrics_listen,
        registry=metrics.registry,
        is_alive=lambda: time.monotonic() - beat[0] < _ALIVE_SECONDS,
        is_ready=lambda: beat[1] > 0 and time.monotonic() - beat[1] < _ALIVE_SECONDS,
    )
    published = _last_published(sink, stopping, beat) if isinstance(sink, HttpReleaseSink) else None
    if stopping.is_set():
        sink.close()
        health.close()
        return 0
    store = GateStore(settings.data_directory / "gate.sqlite")
    gate = Gate(
        site_id=settings.site.id,
        protocol=protocol,
        signing_key=settings.signing_key(),
        store=store,
        ledger=BudgetLedger(settings.data_directory / "ledger.sqlite", last_published=published),
    )
    if isinstance(sink, AggregatorPair):
        _refuse_older_ledger(gate, sink, stopping, beat)
    reader = KafkaPartReader(settings, start=store.next_offset(0))
    runner = GateRunner(
        gate,
        reader=reader,
        sink=sink,
        clock=lambda: datetime.now(UTC),
        grace=timedelta(seconds=settings.site.seal_grace_seconds),
        metrics=metrics,
        published=sink if isinstance(sink, HttpReleaseSink) else None,
        counted=sink if isinstance(sink, AggregatorPair) else None,
    )
    _log.info("gate of site %s under protocol %s", settings.site.id, protocol.hash[:12])
    while not stopping.is_set():
        beat[0] = time.monotonic()
        try:
            runner.turn()
            beat[1] = time.monotonic()
        except ServiceError as error:
            _log.warning("%s", error)
            stopping.wait(2.0)
    reader.close()
    sink.close()
    gate.close()
    health.close()
    return 0


def _sink(settings: SiteSettings, protocol: SurveillanceProtocol) -> HttpReleaseSink | AggregatorPair:
    """Where the protocol's trust mode sends releases: to the hub, or in shares to the aggregators."""
    if protocol.cohort is None:
        link = settings.require_hub()
        ca_file = settings.path(link.ca_file) if link.ca_file else None
        return HttpReleaseSink(link.url, api_key=settings.api_key(), ca_file=ca_file)
    if settings.secure_sum is None:
        raise ConfigurationError(
            f"protocol {protocol.name} sums securely, and site.toml has no [secure_sum] table",
            hint="add [secure_sum] with both aggregators (docs/streams.md)",
        )
    return open_aggregators(
        settings.secure_sum, path=settings.path, site_id=settings.site.id, signing_key=settings.signing_key(),
        protocol=protocol,
    )  # fmt: skip


def _writer(settings: SiteSettings, stopping: threading.Event) -> RawWriter | None:
    """A raw writer as soon as Kafka answers; None if the process is to end before that."""
    while not stopping.is_set():
        try:
            return RawWriter(settings)
        except ServiceError as error:
            _log.warning("%s", error)
            stopping.wait(2.0)
    return None


def _last_published(sink: HttpReleaseSink, stopping: threading.Event, beat: list[float]) -> Published | None:
    """What the hub holds of this site, as soon as it says; a gate that cannot know releases nothing."""
    while not stopping.is_set():
        beat[0] = time.monotonic()
        try:
            return sink.last_published()
        except ServiceError as error:
            _log.warning("%s", error)
            stopping.wait(2.0)
    return None


def _refuse_older_ledger(gate: Gate, pair: AggregatorPair, stopping: threading.Event, beat: list[float]) -> None:
    """Raise `IntegrityError` where an aggregator has the epoch that this ledger would seal next.

    Waits for the aggregators' word: without it nothing is sealed. Shares sealed anew for an epoch would be refused as
    equivocation, and what the lost ones hold would be counted twice.
    """
    while (epoch := gate.next_epoch) is not None and not stopping.is_set():
        beat[0] = time.monotonic()
        try:
            if pair.has_share_of(epoch):
                raise IntegrityError(
                    f"epoch {epoch} was sealed before, and this ledger does not know: it is an older backup",
                    hint="put the newest ledger back; without it the era is over for this site",
                )
        except ServiceError as error:
            _log.warning("%s", error)
            stopping.wait(2.0)
        else:
            return


def _on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping
