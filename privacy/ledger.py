"""The budget ledger of one site: charge, store, then send; in integers, on disk, chained by hashes.

Every step is one appended row; nothing is ever changed or deleted (triggers refuse it), and nothing refunded:

    reserve -> RESERVED -> seal -> SEALED -> mark_sent -> SENT

A crash after `reserve` leaves a charged epoch without bytes: nobody saw any noise, so it is drawn then. A crash after
`seal` leaves the bytes: they are sent again as they are. There is no call that could draw twice.

The hashes chain digests of exact data. Like the whole file they stay inside of the site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cases.errors import IntegrityError, ParameterError
from privacy.cap_change import CapChange, SignedCapChange
from privacy.ledger_entry import BudgetSpentError, LedgerEntry, Published, ReleaseState, SealedRelease
from privacy.ledger_file import LedgerFile
from privacy.ledger_step import CAP_STATE, Step, payload_digest

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
    >>> [sealed.payload for sealed in ledger.pending("2026")], ledger.spent("2026")
    ([b'noisy'], 400)
    """

    def __init__(
        self, path: Path | str | None, *, is_read_only: bool = False, last_published: Published | None = None
    ) -> None:
        self._file = LedgerFile(None if path is None else Path(path), is_read_only=is_read_only)
        self._refusal = "the ledger is open for reading only" if is_read_only else ""
        if last_published is not None and not self.knows(last_published):
            self._refusal = (
                f"epoch {last_published.epoch} of era {last_published.era} is published, and this ledger does not know "
                "it: it was restored from an older backup"
            )

    def reserve(self, era: str, epoch: int, cost: int, cap: int, spec_hash: str, data_hash: str) -> LedgerEntry:
        """Charge an epoch, durably, before its noise is drawn.

        An epoch that is booked already with the same cap, spec and data is given as it stands, whatever its state, and
        charged nothing more: that is how a gate goes on after a crash.

        Parameters
        ----------
        cost, cap
            Millionths of mu squared. The first epoch of an era pays for all its epochs (`ReleaseSpec.cost_micro_mu2`),
            later ones cost 0 under the same spec. The cap is the one the era began with; where two people changed it
            (`change_cap`), theirs counts.
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
            steps = self._file.steps(era)
            booked = [step for step in steps if step.state != CAP_STATE]
            granted, current = (steps[0].cap, steps[-1].cap) if steps else (cap, cap)
            mine = [step for step in booked if step.epoch == epoch]
            if mine:
                if (granted, mine[0].spec_hash, mine[0].data_hash) != (cap, spec_hash, data_hash):
                    raise IntegrityError(
                        f"epoch {epoch} of era {era} is booked with another cap, spec or data",
                        hint="an epoch is released once; what came later belongs to the next",
                    )
                return _entry(mine)
            if any(step.epoch > epoch for step in booked):
                raise IntegrityError(f"an epoch after {epoch} of era {era} is booked already")
            if cap != granted:
                raise IntegrityError(f"era {era} has a cap of {granted} millionths of mu squared, not {cap}")
            if cost == 0 and not any(step.cost and step.spec_hash == spec_hash for step in booked):
                raise IntegrityError(f"era {era} has not been paid for under this spec")
            spent = sum(step.cost for step in booked)
            if not spent + cost <= current:
                raise BudgetSpentError(
                    f"era {era}: {spent} of {current} millionths of mu squared are spent, {cost} asked"
                )
            number = len(self._file.steps()) + 1
            step = Step(number, era, epoch, ReleaseState.RESERVED, cost, current, spec_hash, data_hash, "")
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
        steps = [step for step in self._file.steps(era) if step.epoch == epoch and step.state != CAP_STATE]
        return _entry(steps) if steps else None

    def entries(self) -> list[LedgerEntry]:
        """All booked epochs in the order they were reserved."""
        by_epoch: dict[tuple[str, int], list[Step]] = {}
        for step in self._file.steps():
            if step.state == CAP_STATE:
                continue
            by_epoch.setdefault((step.era, step.epoch), []).append(step)
        return [_entry(steps) for steps in by_epoch.values()]

    def waiting(self, era: str) -> list[int]:
        """Epochs of an era that are sealed and not yet sent, in order."""
        return [entry.epoch for entry in self.entries() if entry.era == era and entry.state is ReleaseState.SEALED]

    def pending(self, era: str) -> Iterator[SealedRelease]:
        """What waits to be sent in an era, in order.

        Each is read when it is asked for: the bytes of all of them may be more than the memory.
        """
        for epoch in self.waiting(era):
            yield SealedRelease(era, epoch, self.payload(era, epoch) or b"")

    def payload(self, era: str, epoch: int) -> bytes | None:
        """The sealed bytes of an epoch, sent or not; None before `seal`."""
        return self._file.payload(era, epoch)

    def knows(self, published: Published) -> bool:
        """Whether a release that the world has was sealed here, byte for byte."""
        entry = self.entry(published.era, published.epoch)
        return entry is not None and entry.payload_hash == published.payload_hash

    def spent(self, era: str) -> int:
        """Millionths of mu squared charged in an era so far."""
        return sum(step.cost for step in self._file.steps(era))

    def cap(self, era: str) -> int:
        """Millionths of mu squared that an era may spend as it stands; 0 before it has begun."""
        steps = self._file.steps(era)
        return steps[-1].cap if steps else 0

    def propose_cap(self, era: str, new_cap: int, *, reason: str) -> CapChange:
        """The document that two people sign to change the cap of an era; nothing is written.

        Raises `IntegrityError` where the era has not begun, the cap is the same, or it is below what is spent.
        """
        rows = [(step, stored) for step, stored in self._file.hashed_steps() if step.era == era]
        if not rows:
            raise IntegrityError(f"era {era} has not begun", hint="its cap is the protocol's")
        spent, old_cap = self.spent(era), rows[-1][0].cap
        if new_cap == old_cap:
            raise IntegrityError(f"the cap of era {era} is {old_cap} already")
        if not new_cap >= spent:
            raise IntegrityError(f"the cap of era {era} cannot be {new_cap}: {spent} are spent, nothing is refunded")
        number = sum(step.state == CAP_STATE for step, _ in rows)
        return CapChange(era=era, era_start=rows[0][1], number=number, old_cap=old_cap, new_cap=new_cap, reason=reason)

    def change_cap(self, signed: SignedCapChange, *, allowed: Mapping[str, Ed25519PublicKey]) -> None:
        """Change the cap of an era, as two of the people in `allowed` (public key by name) have signed it.

        Raises `IntegrityError`, changing nothing, where fewer than two of them signed, with fewer than two keys, where
        a signature is not valid, where the change was made for another ledger or state of it, or where `propose_cap`
        would refuse it.
        """
        signed.require_two_people(allowed)
        with self._writing():
            change = signed.change
            if change != self.propose_cap(change.era, change.new_cap, reason=change.reason):
                raise IntegrityError("the change was signed for another ledger, or for another state of this one")
            number, data = len(self._file.steps()) + 1, signed.encode()
            self._file.append(
                Step(number, change.era, change.number, CAP_STATE, 0, change.new_cap, "", "", payload_digest(data))
            )
            self._file.add_authorisation(number, data)

    def cap_changes(self, era: str) -> list[SignedCapChange]:
        """Changes of an era's cap, oldest first."""
        steps = [step for step in self._file.steps(era) if step.state == CAP_STATE]
        return [SignedCapChange.decode(self._file.authorisation(step.number) or b"") for step in steps]

    def hashes(self) -> list[str]:
        """Hash of every step, oldest first: of two copies of one ledger the older one's are the beginning of these."""
        return [stored for _, stored in self._file.hashed_steps()]

    def verify(self) -> str:
        """Recompute everything the ledger claims; returns the hash of its newest step, which stays inside of the site.

        Raises `IntegrityError`, naming the step, where the chain is broken, a step comes out of turn, bytes differ from
        their hash, an era is overspent, a cap changed without two signatures, or bytes lie there that no step sealed.
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
        number, cap = len(self._file.steps()) + 1, self.cap(era)
        self._file.append(Step(number, era, epoch, after, 0, cap, entry.spec_hash, entry.data_hash, payload_hash))


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
