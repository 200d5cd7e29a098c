"""The parts of a served aggregator, put together once and handed to every route."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cases import KelseyError
from hub.aggregator.activation import aggregator_activations
from hub.aggregator.aggregator import Aggregator
from hub.aggregator.links import HttpHub, HttpPeer
from hub.aggregator.metrics import AggregatorMetrics
from hub.aggregator.runner import AggregatorRunner
from hub.aggregator.settings import AggregatorSettings
from hub.aggregator.share_uploads import ShareUploads
from hub.aggregator.shelf import AggregatorShelf, aggregator_store
from hub.aggregator.sum_sealer import SumSealer
from hub.sql_store import SqlStore
from privacy.ledger import BudgetLedger
from privacy.secure_sum.site_share import maximum_share_bytes

__all__ = ["AggregatorService", "build_service"]

_log = logging.getLogger("kelsey.aggregator")

_STALE = timedelta(days=7)
_JOIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorService:
    """Everything a route may need; made by `build_service`.

    `receiving` is held while a complete share is in memory, so that many sites at once need little of it.
    """

    settings: AggregatorSettings
    aggregator: Aggregator
    site_keys: dict[str, Ed25519PublicKey]
    peer_key: Ed25519PublicKey
    store: SqlStore
    shelf: AggregatorShelf
    uploads: ShareUploads
    runner: AggregatorRunner
    metrics: AggregatorMetrics
    clock: Callable[[], datetime]
    receiving: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _closing: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        """Begin the work of its own, on a thread."""
        thread = threading.Thread(target=self._work, name="kelsey-aggregator", daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """End the work and give files, database and connections back."""
        self._ending.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        for close in reversed(self._closing):
            close()

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self.runner.step()
                self.uploads.clean(before=(self.clock() - _STALE).timestamp())
            except Exception as error:  # noqa: BLE001  edge of the process: a database that is away must not end the loop
                self.metrics.background_errors.labels("step").inc()
                _log.error("background work failed kind=%s", type(error).__name__)
            self._ending.wait(self.settings.aggregator.poll_seconds)


def build_service(settings: AggregatorSettings, *, clock: Callable[[], datetime]) -> AggregatorService:
    """Open database, ledger and uploads, read protocol and keys.

    Raises `ConfigurationError`, also under another protocol than was activated, `IntegrityError` or `ServiceError`; on
    failure nothing stays open.
    """
    protocol, key, peer_key, site_keys = (
        settings.protocol(), settings.signing_key(), settings.peer_key(), settings.site_keys(),
    )  # fmt: skip
    cohort = protocol.cohort
    assert cohort is not None  # noqa: S101  settings.protocol() sees to it
    role = settings.aggregator.role
    closing: list[Callable[[], None]] = []
    try:
        hub = HttpHub(
            settings.hub.url, api_key=settings.api_key(), tls=settings.client_tls(settings.hub.ca_file, "hub.ca_file")
        )
        closing.append(hub.close)
        peer = HttpPeer(settings.peer.url, key=key, tls=settings.client_tls(settings.peer.ca_file, "peer.ca_file"))
        closing.append(peer.close)
        uploads = ShareUploads(settings.aggregator.uploads_directory, limit_bytes=maximum_share_bytes(protocol))
        store = aggregator_store(settings.database_url())
        closing.append(store.close)
        aggregator_activations(store).require(protocol)
        aggregator = Aggregator(
            role=role, protocol=protocol, cohort=cohort, site_keys=site_keys, key=key, peer_key=peer_key, store=store
        )
        ledger = BudgetLedger(settings.aggregator.ledger_file)
        closing.append(ledger.close)
        metrics = AggregatorMetrics()
        runner = AggregatorRunner(
            aggregator=aggregator,
            sealer=SumSealer(role=role, protocol=protocol, key=key, store=store, ledger=ledger),
            hub=hub,
            peer=peer,
            metrics=metrics,
            clock=clock,
            grace_seconds=settings.aggregator.agreement_grace_seconds,
            site_count=len(site_keys),
        )
    except (KelseyError, OSError):
        for close in reversed(closing):
            close()
        raise
    return AggregatorService(
        settings=settings,
        aggregator=aggregator,
        site_keys=site_keys,
        peer_key=peer_key,
        store=store,
        shelf=AggregatorShelf(protocol),
        uploads=uploads,
        runner=runner,
        metrics=metrics,
        clock=clock,
        _closing=closing,
    )
