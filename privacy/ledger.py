"""The budget ledger of one site: charge, store, then send; in integers, on disk, chained by hashes.

Every step is one appended row; nothing is ever changed or deleted (triggers refuse it), and nothing refunded:

    reserve -> RESERVED -> seal -> SEALED -> mark_sent -> SENT

A crash after `reserve` leaves a charged epoch without bytes: nobody saw any noise, so it is drawn then. A crash after
`seal` leaves the bytes: they are sent again as they are. There is no call that could draw twice.

The hashes chain digests of exact data. Like the whole file they stay inside of the site.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cases.errors import IntegrityError, ParameterError
from privacy.ledger_entry import BudgetSpentError, LedgerEntry, Published, ReleaseState, SealedRelease
from privacy.ledger_file import LedgerFile, Step, payload_digest

__all__ = ["BudgetLedger"]


class BudgetLedger:
    """One site's ledger; open in one process at a time for writing, readable by others meanwhile.

    Parameters
    ----------
    path
        SQLite file, made where it is missing; None keeps it in memory (demo, back-test). Must lie on a local disk:
        file locks and durable writes are relied on.
    is_read_only
        Look, don't touch: no lock is taken, and everything that writes raises `IntegrityError`.
    last_published
        What the hub has. A ledger that does not know of it was restored from an older backup: it opens, but everything
        that writes raises `IntegrityError` until a person has reconciled the two.

    Raises
    ------
    ServiceError
        Another process has the ledger open, or the disk cannot be used (retryable).
    IntegrityError
        The file is not a ledger of this schema, or does not stand up to `verify`.

    Examples
    --------
    >>> ledger = BudgetLedger(None)
    >>> ledger.reserve("2026", 0, 400, 1000, "spec", "data").state.value
    'reserved'
    >>> ledger.seal("2026", 0, b"noisy")
    >>> [sealed.payload for sealed in ledger.pending()], ledger.spent("2026")
    ([b'noisy'], 400)
    """

    def __init__(
        self, path: Path | str | None, *, is_read_only: bool = False, last_published: Published | None = None
    ) -> None:
        self._file = LedgerFile(None if path is None else Path(path), is_read_only=is_read_only)
        self._refusal = "the ledger is open for reading only" if is_read_only else ""
        if last_published is not None:
            self._compare(last_published)

    def reserve(self, era: str, epoch: int, cost: int, cap: int, spec_hash: str, data_hash: str) -> LedgerEntry:
        """Charge an epoch, durably, before its noise is drawn.

        An epoch that is booked already with the same cap, spec and data is given as it stands, whatever its state, and
        charged nothing more: that is how a gate goes on after a crash.

        Parameters
        ----------
        cost, cap
            Millionths of mu squared. The first epoch of an era pays for all its epochs (`ReleaseSpec.cost_micro_mu2`),
            later ones cost 0 under the same spec. The cap of an era never changes.
        spec_hash, data_hash
            What is going to be released (`ReleaseSpec.hash`, `EpochVector.digest`).

        Raises
        ------
        BudgetSpentError
            The era has less than `cost` left.
        IntegrityError
            The epoch is booked with another cap, spec or data; a later epoch is booked already (and was computed
            without this one); the epoch is to cost nothing and none was paid for under its spec; the cap differs from
            the era's; or the ledger is not writable.
        """
        if not (cost >= 0 and cap >= 0 and epoch >= 0):
            raise ParameterError("epoch, cost and cap must be at least 0")
        with self._writing():
            booked = self._file.steps(era)
            mine = [step for step in booked if step.epoch == epoch]
            if mine:
                if (mine[0].cap, mine[0].spec_hash, mine[0].data_hash) != (cap, spec_hash, data_hash):
                    raise IntegrityError(
                        f"epoch {epoch} of era {era} is booked with another cap, spec or data",
                        hint="an epoch is released once; what came later belongs to the next",
                    )
                return _entry(mine)
            if any(step.epoch > epoch for step in booked):
                raise IntegrityError(f"an epoch after {epoch} of era {era} is booked already")
            if any(step.cap != cap for step in booked):
                raise IntegrityError(f"era {era} has a cap of {booked[0].cap} millionths of mu squared, not {cap}")
            if cost == 0 and not any(step.cost and step.spec_hash == spec_hash for step in booked):
                raise IntegrityError(f"era {era} has not been paid for under this spec")
            spent = sum(step.cost for step in booked)
            if not spent + cost <= cap:
                raise BudgetSpentError(f"era {era}: {spent} of {cap} millionths of mu squared are spent, {cost} asked")
            number = len(self._file.steps()) + 1
            step = Step(number, era, epoch, ReleaseState.RESERVED, cost, cap, spec_hash, data_hash, "")
            self._file.append(step)
            return _entry([step])

    def seal(self, era: str, epoch: int, payload: bytes) -> None:
        """Store the finished bytes of a reserved epoch, durably, before the first of them is sent.

        Raises `IntegrityError` where the epoch is not reserved, or sealed already, be it with the same bytes: the
        caller then sends what `pending` gives and drops its own.
        """
        with self._writing():
            self._advance(era, epoch, ReleaseState.RESERVED, ReleaseState.SEALED, payload_digest(payload))
            self._file.add_payload(era, epoch, payload)

    def mark_sent(self, era: str, epoch: int) -> None:
        """Note that the receiver has the sealed bytes; a second time changes nothing.

        Raises `IntegrityError` where the epoch is not sealed.
        """
        with self._writing():
            entry = self.entry(era, epoch)
            if entry is None or entry.state is not ReleaseState.SENT:
                payload_hash = entry.payload_hash if entry else ""
                self._advance(era, epoch, ReleaseState.SEALED, ReleaseState.SENT, payload_hash)

    def entry(self, era: str, epoch: int) -> LedgerEntry | None:
        """What the ledger says about an epoch; None where it is not booked."""
        steps = [step for step in self._file.steps(era) if step.epoch == epoch]
        return _entry(steps) if steps else None

    def entries(self) -> list[LedgerEntry]:
        """All booked epochs in the order they were reserved."""
        by_epoch: dict[tuple[str, int], list[Step]] = {}
        for step in self._file.steps():
            by_epoch.setdefault((step.era, step.epoch), []).append(step)
        return [_entry(steps) for steps in by_epoch.values()]

    def pending(self) -> list[SealedRelease]:
        """Sealed and not yet sent, in the order they were reserved."""
        waiting = [entry for entry in self.entries() if entry.state is ReleaseState.SEALED]
        return [SealedRelease(entry.era, entry.epoch, self.payload(entry.era, entry.epoch) or b"") for entry in waiting]

    def payload(self, era: str, epoch: int) -> bytes | None:
        """The sealed bytes of an epoch, sent or not; None before `seal`."""
        return self._file.payload(era, epoch)

    def spent(self, era: str) -> int:
        """Millionths of mu squared charged in an era so far."""
        return sum(step.cost for step in self._file.steps(era))

    def verify(self) -> str:
        """Recompute everything the ledger claims; returns the hash of its newest step, which stays inside of the site.

        Raises `IntegrityError`, naming the step, where the chain is broken, a step comes out of turn, bytes differ from
        their hash, an era is overspent, or bytes lie there that no step sealed.
        """
        return self._file.check()

    def close(self) -> None:
        """Close the file and let another process open it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _compare(self, published: Published) -> None:
        entry = self.entry(published.era, published.epoch)
        if entry is None or entry.payload_hash != published.payload_hash:
            self._refusal = (
                f"epoch {published.epoch} of era {published.era} is published, and this ledger does not know it: "
                "it was restored from an older backup"
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._refusal:
            raise IntegrityError(self._refusal, hint="nothing is released until ledger and hub agree")
        with self._file.writing():
            yield

    def _advance(self, era: str, epoch: int, before: ReleaseState, after: ReleaseState, payload_hash: str) -> None:
        entry = self.entry(era, epoch)
        if entry is None or entry.state is not before:
            state = entry.state if entry else "not reserved"
            raise IntegrityError(f"epoch {epoch} of era {era} cannot be {after}: it is {state}")
        number = len(self._file.steps()) + 1
        self._file.append(Step(number, era, epoch, after, 0, entry.cap, entry.spec_hash, entry.data_hash, payload_hash))


def _entry(steps: list[Step]) -> LedgerEntry:
    """One epoch's entry from its steps, oldest first."""
    first, last = steps[0], steps[-1]
    return LedgerEntry(
        era=first.era,
        epoch=first.epoch,
        state=ReleaseState(last.state),
        cost=first.cost,
        cap=first.cap,
        spec_hash=first.spec_hash,
        data_hash=first.data_hash,
        payload_hash=last.payload_hash,
    )
