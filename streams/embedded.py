"""A whole site in one process: the same intake, casebook, epochs and gate as on Kafka, without Kafka.

It serves the demo, back-tests and a clinic without a broker. One store, in memory or on disk, is partition 0; every
`take` is one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import Case, ConfigurationError, DeadLetter, RawRecord, Vocabulary
from detectors.drift import ReportingRateDrift
from detectors.online import RateWatch, SourceQuality
from detectors.table import CountTable
from detectors.triage import TriageModel
from privacy.ledger import BudgetLedger
from privacy.protocol import SurveillanceProtocol
from streams.budget import Budget
from streams.casebook import BookChanges
from streams.collector_pause import collector_paused
from streams.epoch import decode_part
from streams.gate import Gate
from streams.gate_store import GateStore
from streams.ingest_tally import IngestTally, skipped_changes
from streams.intake import Intake
from streams.partition_book import PartitionBook
from streams.record_batch import RecordBatch
from streams.store import PartitionStore, Position, StoreChanges
from streams.table_change import TableChange
from streams.wallet_summary import WalletSummary

__all__ = ["EmbeddedSite"]

_TOPIC = "embedded"


class EmbeddedSite:
    """A site in one process.

    Parameters
    ----------
    site_id
        Lower-case letters, digits and hyphens, as registered at the hub.
    vocabulary
        Codes and words to ingredients and preferred terms.
    protocol
        The accepted protocol; None counts and never releases.
    pseudonym_key
        At least 32 secret bytes.
    signing_key
        Ed25519; may be None where nothing is released.
    directory
        Where store, gate and ledger live; None keeps them in memory.
    read_narratives
        Whether free text is read.
    on_case
        Told of every accepted case version, after it is durable.
    random_bytes
        Source of the noise.

    Attributes
    ----------
    on_change
        Told of every change of the counts, after it is durable; may be set at any time (replays put sites together).

    Raises
    ------
    ConfigurationError
        The directory was counted under another protocol, or `vocabulary` is not the protocol's.
    """

    def __init__(
        self,
        *,
        site_id: str,
        vocabulary: Vocabulary,
        protocol: SurveillanceProtocol | None,
        pseudonym_key: bytes,
        signing_key: Ed25519PrivateKey | None,
        directory: Path | None,
        read_narratives: bool,
        on_case: Callable[[Case], None] | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if protocol is not None and protocol.vocabulary != vocabulary.label:
            raise ConfigurationError(
                f"protocol {protocol.name} counts with vocabulary {protocol.vocabulary}, not {vocabulary.label}"
            )
        self.site_id = site_id
        self._on_case = on_case
        self.on_change: Callable[[TableChange], None] | None = None
        self._intake = Intake(vocabulary=vocabulary, pseudonym_key=pseudonym_key, read_narratives=read_narratives)
        self._store = PartitionStore(directory / "site.sqlite" if directory is not None else None)
        self._book = PartitionBook(self._store, protocol)
        self._tally = IngestTally.of(self._store.counters())
        self._next = self._store.next_offset(_TOPIC) or 0
        self._gate: Gate | None = None
        if protocol is not None and signing_key is not None:
            self._gate = Gate(
                site_id=site_id,
                protocol=protocol,
                signing_key=signing_key,
                store=GateStore(directory / "gate.sqlite" if directory is not None else None),
                ledger=BudgetLedger(directory / "ledger.sqlite" if directory is not None else None),
                random_bytes=random_bytes,
            )

    def take(self, records: Sequence[RawRecord]) -> None:
        """Take `records` in, in order: durable, counted and learned when it returns, or none of it.

        About a thousand at a time is fastest. Damaged records become dead letters; nothing in a record raises.
        """
        with collector_paused():
            batch = RecordBatch.of(records, self._intake, self._store)
            changes = StoreChanges(
                index=batch.index, book=self._book.prepare(batch.cases), letters=batch.letters, counters=batch.counters
            )
            self._commit(changes)
        if self._on_case is not None:
            for case in batch.accepted:
                self._on_case(case)

    def count_skipped(self, skipped: Mapping[str, int]) -> None:
        """Book what a source passed over (`connectors.SourceBatch.skipped`), so that the tally adds up."""
        if skipped:
            self._commit(StoreChanges(book=BookChanges(), counters=skipped_changes(skipped)))

    def release(self, epoch: int) -> bytes | None:
        """Seal what is pending into `epoch` and give the signed line; the same bytes at every later call.

        None where there is no protocol or signing key, or the budget is gone. Epochs are released in order, each once:
        raises `ParameterError` for one that comes before its turn.
        """
        if self._gate is None:
            return None
        if epoch == self._gate.next_epoch:
            self._book.seal(epoch)
            for sequence, body in self._store.unsent_parts():
                self._gate.take([decode_part(body)])
                self._store.mark_part_sent(sequence)
        return self._gate.release(epoch)

    def acknowledge(self, epoch: int) -> None:
        """The hub has the line of `epoch`."""
        if self._gate is not None:
            self._gate.acknowledge(epoch)

    @property
    def table(self) -> CountTable:
        """The site's own counts; never leave it."""
        return self._book.table

    @property
    def tally(self) -> IngestTally:
        """Where every record went."""
        return self._tally

    @property
    def drift(self) -> ReportingRateDrift:
        """Drift of reporting rates."""
        return self._book.models.drift

    @property
    def pair_rates(self) -> RateWatch:
        """Reporting rates of pairs against their season."""
        return self._book.models.pairs

    @property
    def source_quality(self) -> SourceQuality:
        """Data quality of the sources."""
        return self._book.models.quality

    @property
    def triage(self) -> TriageModel:
        """Triage model."""
        return self._book.models.triage

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Dead letters, in order."""
        return self._store.letters()

    def cases(self) -> Iterator[Case]:
        """Newest version of every live case."""
        return (case for _, case in self._store.live_cases())

    def wallet_summary(self) -> WalletSummary:
        """How the wallets stand."""
        return self._book.wallet_summary()

    def budget(self) -> Budget | None:
        """How the privacy budget stands; None where nothing is ever released."""
        return self._gate.budget() if self._gate is not None else None

    def close(self) -> None:
        """Keep the models and close the files."""
        self._book.save_models()
        self._store.close()
        if self._gate is not None:
            self._gate.close()

    def _commit(self, changes: StoreChanges) -> None:
        self._book.commit(changes, Position(_TOPIC, self._next, self._next + 1))
        self._next += 1
        self._tally.add(changes.counters)
        if self.on_change is not None:
            for change in changes.book.table:
                self.on_change(change)
