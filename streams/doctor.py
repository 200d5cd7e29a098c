"""Is a site fit to run: settings, keys, disk, Kafka, topics, permissions, clock, hub, aggregators; with the way out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from cases import KelseyError
from streams.acceptance import require_acceptance
from streams.aggregator_checks import check_aggregators
from streams.finding import Finding
from streams.http_release_sink import HttpReleaseSink
from streams.kafka_connection import client_options
from streams.settings import SiteSettings, load_site_settings
from streams.topics import check_topics

__all__ = ["Finding", "check_site"]

_FREE_BYTES = 1 << 30
_FSYNC_SECONDS = 0.1
_CLOCK_SECONDS = 30.0
_TIMEOUT_SECONDS = 10.0


def check_site(config: Path, *, role: str | None = None) -> list[Finding]:
    """All findings, in the order one would mend them; never raises for what it finds.

    With `role` (connector, worker or gate) only what that role needs: on Kubernetes each pod has its own secrets, and
    only the gate may reach the hub or the aggregators.
    """
    try:
        settings = load_site_settings(config)
    except KelseyError as error:
        return [_bad("settings", error)]
    findings = [Finding("settings", True, str(config))]
    findings += _secrets(settings, role)
    findings.append(_tried("vocabulary", lambda: settings.vocabulary().label))
    findings.append(_tried("protocol", lambda: _protocol(settings)))
    if role in (None, "gate") and settings.site.protocol_file:
        findings.append(_tried("acceptance", lambda: _acceptance(settings)))
    findings += _disk(settings.data_directory)
    findings += _kafka(settings)
    if role in (None, "gate"):
        findings += _hub(settings) if settings.secure_sum is None else check_aggregators(settings, settings.secure_sum)
    return findings


def _secrets(settings: SiteSettings, role: str | None) -> Iterator[Finding]:
    if role in (None, "worker"):
        yield _tried("pseudonym key", lambda: f"{len(settings.pseudonym_key())} bytes")
    if role not in (None, "gate"):
        return
    if settings.site.signing_key_file:
        yield _tried("signing key", lambda: f"Ed25519, public part {_public(settings)}")
    if settings.hub is not None:
        yield _tried("hub key", lambda: f"{len(settings.api_key())} characters")


def _public(settings: SiteSettings) -> str:
    """First digits of the public key, to compare with what the hub has registered."""
    return settings.signing_key().public_key().public_bytes_raw().hex()[:16]


def _protocol(settings: SiteSettings) -> str:
    protocol = settings.protocol()
    if protocol is None:
        return "none accepted: the site counts and releases nothing"
    return f"{protocol.name} {protocol.version}, {protocol.hash[:12]}, epsilon {protocol.epsilon:g}"


def _acceptance(settings: SiteSettings) -> str:
    protocol = settings.protocol()
    assert protocol is not None  # noqa: S101  asked for only where a file is named
    found = require_acceptance(settings.data_directory, protocol)
    return f"accepted by {found.accepted_by} on {found.accepted_at:%Y-%m-%d}"


def _disk(directory: Path) -> Iterator[Finding]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".doctor"
        started = time.perf_counter()
        with probe.open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        seconds = time.perf_counter() - started
        probe.unlink()
        free = shutil.disk_usage(directory).free
    except OSError as error:
        way_out = f"make {directory} a writable folder on a local disk that survives restarts"
        yield Finding("disk", False, f"{directory}: {error.strerror}", way_out)
        return
    yield Finding(
        "disk space", free >= _FREE_BYTES, f"{free / 2**30:.1f} GiB free", f"make room in {directory}: at least 1 GiB"
    )
    yield Finding(
        "disk sync",
        seconds <= _FSYNC_SECONDS,
        f"{seconds * 1000:.1f} ms to reach the medium",
        "use a local disk; each batch waits for one sync",
    )


def _kafka(settings: SiteSettings) -> Iterator[Finding]:
    if settings.kafka is None:
        yield Finding("Kafka", False, "no [kafka] table", 'add [kafka] bootstrap = "host:9092"')
        return
    try:
        consumer = KafkaConsumer(**client_options(settings), client_id="kelsey-doctor", enable_auto_commit=False)
        topics = set(consumer.topics())
        consumer.close()
    except KelseyError as error:
        yield _bad("Kafka", error)
        return
    except KafkaError as error:
        yield Finding(
            "Kafka",
            False,
            f"{settings.kafka.bootstrap}: {type(error).__name__}",
            "check bootstrap, network, certificates, user and password",
        )
        return
    yield Finding("Kafka", True, f"{settings.kafka.bootstrap} answers, {len(topics)} topics visible")
    yield from _topics(settings)
    yield from _permissions(settings)


def _topics(settings: SiteSettings) -> Iterator[Finding]:
    try:
        for state in check_topics(settings):
            detail = "; ".join(state.faults) or "as it should be"
            yield Finding(f"topic {state.name}", not state.faults, detail, "kelsey site topics --config site.toml")
    except KelseyError as error:
        yield _bad("topics", error)


def _permissions(settings: SiteSettings) -> Iterator[Finding]:
    kafka = settings.require_kafka()
    way_out = f"grant Read and Describe on group {kafka.prefix}worker, Read and Write on topics {kafka.prefix}*"
    try:
        described = _described_group(settings, f"{kafka.prefix}worker")
    except KafkaError as error:
        yield Finding("permissions", False, f"consumer group: {type(error).__name__}", way_out)
        return
    yield Finding("permissions", bool(described), f"group {kafka.prefix}worker may be read", way_out)


def _described_group(settings: SiteSettings, group: str) -> object:
    """What Kafka says of a consumer group; a fresh cluster first has to choose a coordinator."""
    admin = KafkaAdminClient(**client_options(settings), client_id="kelsey-doctor")
    try:
        end = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            try:
                return admin.describe_groups([group])
            except KafkaError as error:
                if not error.retriable or time.monotonic() > end:
                    raise
                time.sleep(0.5)
    finally:
        admin.close()


def _hub(settings: SiteSettings) -> Iterator[Finding]:
    if settings.hub is None:
        yield Finding("hub", True, "none configured: nothing is released")
        return
    url = settings.hub.url
    try:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, verify=_verify(settings)) as client:
            answer = client.get(f"{url.rstrip('/')}/healthz")
    except (httpx.HTTPError, OSError) as error:
        yield Finding("hub", False, f"{url}: {type(error).__name__}", "check [hub] url, ca_file and the firewall")
        return
    yield Finding("hub", answer.is_success, f"{url} answers {answer.status_code}", "ask the hub's operator")
    if (date := answer.headers.get("date")) is not None:
        skew = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
        yield Finding(
            "clock",
            skew <= _CLOCK_SECONDS,
            f"{skew:.0f} s from the hub's",
            "run a time service (chrony); epochs end by this clock",
        )
    yield _tried("hub's protocol", lambda: _same_protocol(settings))


def _verify(settings: SiteSettings) -> str | bool:
    link = settings.require_hub()
    return str(settings.path(link.ca_file)) if link.ca_file else True


def _same_protocol(settings: SiteSettings) -> str:
    protocol, link = settings.protocol(), settings.require_hub()
    if protocol is None:
        return "not compared, as the site has accepted none"
    sink = HttpReleaseSink(
        link.url, api_key=settings.api_key(), ca_file=settings.path(link.ca_file) if link.ca_file else None
    )
    try:
        theirs = sink.protocol_hash()
    finally:
        sink.close()
    if theirs != protocol.hash:
        raise KelseyError(
            f"the hub runs {theirs[:12]}, this site accepted {protocol.hash[:12]}",
            hint="accept the hub's protocol, or have the hub load yours; nothing is released meanwhile",
        )
    return f"{theirs[:12]}, the same"


def _tried(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except KelseyError as error:
        return _bad(name, error)


def _bad(name: str, error: KelseyError) -> Finding:
    return Finding(name, False, error.message, error.hint)
