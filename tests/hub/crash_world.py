"""One era of gates and aggregators in one process, each with its own files, that may die at any step or statement."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import event

from cases import IntegrityError, ServiceError
from hub.aggregator import Aggregator, SumSealer, aggregator_store
from privacy import BudgetLedger, SurveillanceProtocol
from privacy.secure_sum import (
    Acceptance,
    Role,
    ShareError,
    unpack_sharing,
)
from streams.epoch import EpochPart, seal
from streams.gate import Gate
from streams.gate_store import GateStore
from tests.hub.secure_sum import COHORT, PROTOCOL, PUBLIC, ROLE_KEYS, SITE_KEYS, after

SITES = ("east", "north", "south")
SOLO = "west"  # releases under per-site
PER_SITE = msgspec.structs.replace(
    PROTOCOL, trust_mode="per-site", minimum_cohort=msgspec.UNSET, honest_fraction=msgspec.UNSET
)
EPOCHS = PROTOCOL.calendar.count
LONGEST_LIFE = 40  # ticks; longer than any transaction, or nobody would get on


class Crash(BaseException):
    """The process ended here."""


class Fuse:
    """Burns down by one at every tick and then ends its party; counts where."""

    def __init__(self, chance: random.Random, points: Counter[str]) -> None:
        self._chance, self._points = chance, points
        self.is_dead = False
        self.light()

    def light(self) -> None:
        """Begin a life."""
        self.is_dead, self._left = False, self._chance.randint(1, LONGEST_LIFE)

    def tick(self, name: str) -> None:
        """A place where a process may end."""
        self._left -= 1
        if self._left == 0 or self.is_dead:
            if not self.is_dead:
                self._points[name] += 1
            self.is_dead = True
            raise Crash


class DyingConnection:
    """A SQLite connection that may end its process before or after each statement that writes."""

    def __init__(self, connection: sqlite3.Connection, fuse: Fuse, name: str) -> None:
        self._connection, self._fuse, self._name = connection, fuse, name

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Execute, and perhaps die; the dead do nothing any more, not even roll back."""
        verb = statement.split()[0]
        if verb == "SELECT":
            return self._connection.execute(statement, *values)
        self._fuse.tick(f"{self._name} before {verb}")
        cursor = self._connection.execute(statement, *values)
        self._fuse.tick(f"{self._name} after {verb}")
        return cursor

    def close(self) -> None:
        """What the operating system does for the dead: an open transaction is undone by the next who opens."""
        self._connection.close()


class HastyLedger(BudgetLedger):
    """Planted: the bytes leave before they are stored."""

    send: Callable[[bytes], None]

    def seal(self, era: str, epoch: int, payload: bytes) -> None:
        self.send(payload)
        super().seal(era, epoch, payload)


class SpendthriftGate(Gate):
    """Planted: every epoch is paid for, against a cap that nobody granted."""

    def _cost(self, epoch: int) -> int:
        self.spec = replace(self.spec, cap_micro_mu2=100 * self.spec.cost_micro_mu2)
        return self.spec.cost_micro_mu2


class SiteProcess:
    """A gate with its files."""

    def __init__(self, world: World, site: str, protocol: SurveillanceProtocol) -> None:
        self.world, self.site, self.protocol = world, site, protocol
        self.folder = world.folder / site
        self.folder.mkdir()
        self.fuse = Fuse(world.chance, world.points)
        self.away: set[int] = set()  # epochs in which its way to the aggregators is cut
        self.start()

    def start(self) -> None:
        """Open the files as a new process would."""
        self.fuse.light()
        self.store = GateStore(self.folder / "gate.sqlite")
        is_hasty = self.world.plant == "send-before-seal"
        self.ledger = (HastyLedger if is_hasty else BudgetLedger)(self.folder / "ledger.sqlite")
        if isinstance(self.ledger, HastyLedger):
            self.ledger.send = self.send
        for owner, name in ((self.store, "_db"), (self.ledger._file, "_connection")):
            kind = "gate store" if name == "_db" else "ledger"
            setattr(owner, name, DyingConnection(getattr(owner, name), self.fuse, kind))
        self.gate = (SpendthriftGate if self.world.plant == "pay-every-epoch" else Gate)(
            site_id=self.site, protocol=self.protocol, signing_key=SITE_KEYS[self.site], store=self.store,
            ledger=self.ledger, random_bytes=self.world.draw, reached=lambda step: self.fuse.tick(f"gate {step}"),
        )  # fmt: skip

    def stop(self) -> None:
        """Close the files, whatever state the process is in."""
        self.store.close()
        self.ledger.close()

    def send(self, payload: bytes) -> None:
        """To the hub, or to both aggregators; either may die over it."""
        epoch = next(iter(self.ledger.waiting(self.protocol.era)), self.gate.next_epoch)
        assert epoch is not None
        self.world.sent.setdefault((self.site, epoch), set()).add(payload)
        if self.protocol.cohort is not None:
            for role, message in unpack_sharing(payload).items():
                party = self.world.aggregators[role]
                with suppress(*self.world.planted_errors):
                    self.world.live(party, partial(party.aggregator.receive, message, at=after(epoch)))

    def part(self, epoch: int) -> EpochPart:
        """What the site's workers seal in an epoch."""
        chance = random.Random(f"{self.site} {epoch}")
        operations = [(cell, chance.randint(-256, 256) or 1) for cell in range(PROTOCOL.layout.length)]
        return seal(
            operations, era=self.protocol.era, protocol_hash=self.protocol.hash, epoch=epoch, partition=0,
            store_id="first", sequence=epoch + 1,
        )  # fmt: skip

    def run(self, epoch: int) -> None:
        """Everything a gate does until the end of an epoch; may be called again after any crash."""
        self.gate.take([self.part(epoch)])
        if self.protocol.cohort is not None:
            self.gate.settle(self.world)
        while (due := self.gate.next_epoch) is not None and due <= epoch:
            if self.gate.release(due) is None:
                break
        if epoch not in self.away:
            self.gate.deliver(self)


class AggregatorProcess:
    """An aggregator with its files."""

    def __init__(self, world: World, role: Role) -> None:
        self.world, self.role = world, role
        self.folder = world.folder / role
        self.folder.mkdir()
        self.fuse = Fuse(world.chance, world.points)
        # Closed, it has no connection and no state left but its compiled statements (a tenth of all the time);
        # its next use opens it again. A new one would only look at the version besides.
        self.store = aggregator_store(f"sqlite:///{self.folder / 'aggregator.sqlite'}")
        engine = self.store._engine
        event.listen(engine, "before_cursor_execute", self._before_statement)
        event.listen(engine, "commit", lambda _: self.fuse.tick("aggregator store before COMMIT"))
        self.start()

    def start(self) -> None:
        """Open the files as a new process would."""
        self.fuse.light()
        self.ledger = BudgetLedger(self.folder / "ledger.sqlite")
        file = self.ledger._file
        file.__dict__["_connection"] = DyingConnection(file._connection, self.fuse, "aggregator ledger")
        other = Role.HELPER if self.role is Role.LEADER else Role.LEADER
        common: dict[str, Any] = {
            "role": self.role, "protocol": PROTOCOL, "key": ROLE_KEYS[self.role], "store": self.store,
            "reached": lambda step: self.fuse.tick(f"aggregator {step}"),
        }  # fmt: skip
        keys = {site: SITE_KEYS[site].public_key() for site in SITES}
        self.aggregator = Aggregator(cohort=COHORT, site_keys=keys, peer_key=PUBLIC[other], **common)
        self.sealer = SumSealer(ledger=self.ledger, **common)

    def _before_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        verb = statement.split()[0]
        if verb not in ("SELECT", "PRAGMA", "BEGIN"):
            self.fuse.tick(f"aggregator store before {verb}")

    def stop(self) -> None:
        """Close the files, whatever state the process is in."""
        self.store.close()
        self.ledger.close()

    def run(self) -> None:
        """Seal and send what is due."""
        self.sealer.seal_due()
        for sealed in self.sealer.pending():
            self.world.at_hub.setdefault((self.role, sealed.epoch), set()).add(sealed.payload)
            self.fuse.tick("aggregator delivered")
            self.sealer.acknowledge(sealed.epoch)


class World:
    """One era: all parties, what left them, and the chance that ends them."""

    def __init__(self, folder: Path, chance: random.Random, points: Counter[str], plant: str) -> None:
        self.folder, self.chance, self.points, self.plant = folder, chance, points, plant
        self.draw = np.random.default_rng(chance.getrandbits(64)).bytes  # fresh noise at every draw, fast
        self.sent: dict[tuple[str, int], set[bytes]] = {}
        self.at_hub: dict[tuple[Role, int], set[bytes]] = {}
        self.crashes = 0
        # the parties find some mistakes themselves
        self.planted_errors: tuple[type[Exception], ...] = () if plant == "none" else (ShareError, IntegrityError)
        self.aggregators = {role: AggregatorProcess(self, role) for role in Role}
        self.sites = [SiteProcess(self, site, PROTOCOL) for site in SITES]
        self.solo = SiteProcess(self, SOLO, PER_SITE)
        for epoch in range(EPOCHS - 1):  # at the last one all are there
            if chance.random() < 0.3:
                chance.choice(self.sites).away.add(epoch)

    def live(self, party: SiteProcess | AggregatorProcess, act: Callable[[], Any]) -> Any:
        """Let a party act; where it dies over it, it starts anew and whoever waits is told that it was away."""
        try:
            return act()
        except Crash:
            self.crashes += 1
            party.stop()
            party.start()
            raise ServiceError("away") from None

    def acceptance(self, epoch: int, /) -> Acceptance | None:
        """What a site asks an aggregator for."""
        leader = self.aggregators[Role.LEADER]
        found: Acceptance | None = self.live(leader, lambda: leader.aggregator.acceptance(epoch))
        return found

    def remind(self, agreed: Acceptance, /) -> None:
        """What a site shows both aggregators."""
        for party in self.aggregators.values():
            self.live(party, partial(party.aggregator.heed, agreed, at=after(agreed.accepted.epoch)))

    def until_done(self, act: Callable[[], Any]) -> None:
        """Try again until nobody dies over it."""
        while True:
            try:
                act()
            except ServiceError:
                continue
            except self.planted_errors:
                return
            return

    def agree(self, epoch: int) -> None:
        """The leader's turn; either may die at any point of it."""
        leader, helper = (self.aggregators[role] for role in (Role.LEADER, Role.HELPER))
        if self.live(leader, lambda: leader.aggregator.next_epoch) != epoch:
            return
        peer = self.live(helper, lambda: helper.aggregator.holdings(epoch))
        accepted, signature = self.live(leader, lambda: leader.aggregator.propose(epoch, peer))
        agreed = self.live(helper, lambda: helper.aggregator.agree(accepted, signature, at=after(epoch)))
        self.live(leader, lambda: leader.aggregator.adopt(agreed, at=after(epoch)))

    def play(self) -> None:
        """The whole era."""
        for epoch in range(EPOCHS):
            for site in (*self.sites, self.solo):
                self.until_done(partial(self.live, site, partial(site.run, epoch)))
            self.until_done(partial(self.agree, epoch))
            for party in self.aggregators.values():
                self.until_done(partial(self.live, party, party.run))

    @property
    def parties(self) -> list[SiteProcess | AggregatorProcess]:
        """Everybody with a ledger."""
        return [*self.sites, self.solo, *self.aggregators.values()]

    def stop(self) -> None:
        """Everybody ends in order."""
        for party in self.parties:
            party.stop()
