"""Sites, two aggregators and what a hub is sent: in one process, but each with its own files, to be killed at will."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from hub.aggregator import Aggregator, SumSealer, aggregator_store
from privacy import BudgetLedger, Cohort, EpochCalendar, EpochVector, SurveillanceProtocol
from privacy.release import table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Acceptance, Role, ShareError, SumShare, join_sums, open_sum_share, share_epoch

PROTOCOL = SurveillanceProtocol(
    name="test", version="1", era="2026", vocabulary="v@1", drugs=("A", "B"), reactions=("R", "S"),
    calendar=EpochCalendar("month", date(2026, 1, 1), 6), epsilon=3.0, delta=1e-6, trust_mode="secure-sum",
    minimum_cohort=2, honest_fraction=0.8,
)  # fmt: skip
COHORT = Cohort(2, 0.8)  # as the protocol has it
SITES = ("east", "north", "south", "west")
SITE_KEYS = {site: Ed25519PrivateKey.generate() for site in SITES}
ROLE_KEYS = {role: Ed25519PrivateKey.generate() for role in Role}
PUBLIC = {role: key.public_key() for role, key in ROLE_KEYS.items()}
CELLS = PROTOCOL.cell_count


def after(epoch: int) -> datetime:
    """An hour after an epoch has ended."""
    return PROTOCOL.calendar.closes_at(epoch) + timedelta(hours=1)


class Crash(Exception):
    """The process ended here."""


class Tripwire:
    """Ends the process at the n-th step that is reached, once."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0

    def __call__(self, _step: str) -> None:
        self.count += 1
        if self.at is not None and self.count == self.at:
            self.at = None
            raise Crash


class Party:
    """One aggregator with its files; `start` opens them as a new process would."""

    def __init__(
        self, role: Role, folder: Path, reached: Callable[[str], None], protocol: SurveillanceProtocol = PROTOCOL
    ) -> None:
        self.role, self.folder, self.reached, self.protocol = role, folder, reached, protocol
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        other = Role.HELPER if self.role is Role.LEADER else Role.LEADER
        self.store = aggregator_store(f"sqlite:///{self.folder / 'aggregator.sqlite'}")
        self.ledger = BudgetLedger(self.folder / "ledger.sqlite")
        self.aggregator = Aggregator(
            role=self.role,
            protocol=self.protocol,
            cohort=COHORT,
            site_keys={site: key.public_key() for site, key in SITE_KEYS.items()},
            key=ROLE_KEYS[self.role],
            peer_key=PUBLIC[other],
            store=self.store,
            reached=self.reached,
        )
        self.sealer = SumSealer(
            role=self.role,
            protocol=self.protocol,
            key=ROLE_KEYS[self.role],
            store=self.store,
            ledger=self.ledger,
            reached=self.reached,
        )

    def stop(self) -> None:
        self.store.close()
        self.ledger.close()

    def restart(self) -> None:
        self.stop()
        self.start()


class House:
    """Everything a secure sum needs but the network; what the hub was sent is kept for good."""

    def __init__(
        self,
        folder: Path,
        *,
        wire: Tripwire | None = None,
        noise_sd: float = 0.0,
        seed: int = 0,
        protocol: SurveillanceProtocol = PROTOCOL,
    ) -> None:
        self.protocol = protocol
        self.wire = wire or Tripwire()
        self.parties = {role: Party(role, folder / role, self.wire, protocol) for role in Role}
        self.random = np.random.default_rng(seed)
        self.noise_sd = noise_sd
        self.sealed: dict[tuple[str, int], dict[Role, bytes]] = {}
        self.exact: dict[tuple[str, int], dict[int, int]] = {}
        self.at_hub: dict[tuple[Role, int], set[bytes]] = {}

    def seal(self, site: str, epoch: int, weights: Mapping[int, int]) -> dict[Role, bytes]:
        """A site's messages for an epoch: drawn once, the same ever after."""
        if (site, epoch) not in self.sealed:
            noise = {
                name: np.rint(self.random.normal(0, self.noise_sd, length)).astype(np.int64)
                for name, length in table_lengths(self.protocol).items()
            }
            self.exact[site, epoch] = dict(weights)
            self.sealed[site, epoch] = share_epoch(
                site=site, protocol=self.protocol, epoch=epoch, increment=EpochVector.of(weights), noise=noise,
                key=SITE_KEYS[site], random_bytes=self.random.bytes,
            )  # fmt: skip
        return self.sealed[site, epoch]

    def send(self, site: str, epoch: int, weights: Mapping[int, int], *, to: tuple[Role, ...] = tuple(Role)) -> None:
        """Send to both aggregators, or only to some."""
        lines = self.seal(site, epoch, weights)
        for role in to:
            self.parties[role].aggregator.receive(lines[role], at=after(epoch)).verify(PUBLIC[role])

    def agree(self, epoch: int) -> Acceptance:
        """What the leader's turn does when both are up."""
        leader, helper = self.parties[Role.LEADER].aggregator, self.parties[Role.HELPER].aggregator
        accepted, signature = leader.propose(epoch, helper.holdings(epoch))
        return leader.adopt(helper.agree(accepted, signature, at=after(epoch)), at=after(epoch))

    def open(self) -> None:
        """Both seal what is due and send what is sealed to the hub."""
        for role, party in self.parties.items():
            party.sealer.seal_due()
            for sealed in party.sealer.pending():
                self.at_hub.setdefault((role, sealed.epoch), set()).add(sealed.payload)
                party.sealer.acknowledge(sealed.epoch)

    def sums(self) -> dict[int, tuple[SumShare, dict[str, NDArray[np.int64]]]]:
        """W by epoch, from the only bytes the hub ever got for it."""
        found = {}
        for epoch in sorted({epoch for _, epoch in self.at_hub}):
            assert all(len(self.at_hub[role, epoch]) == 1 for role in Role), "a second message for an epoch"
            opened = {
                role: open_sum_share(
                    next(iter(self.at_hub[role, epoch])), keys=PUBLIC, role=role, protocol=self.protocol, cohort=COHORT
                )
                for role in Role
            }
            found[epoch] = opened[Role.LEADER], join_sums(opened[Role.LEADER], opened[Role.HELPER], self.protocol)
        return found

    def decoded(self) -> NDArray[np.float64]:
        """The running total of the pair table that the hub decodes, in grid units."""
        sums = self.sums()
        opened = sorted(sums)
        strategy = ReleaseSpec.of(self.protocol).factorisation
        matrix = np.array([[strategy.row(t)[s] if s <= t else 0 for s in opened] for t in opened], dtype=float)
        total: NDArray[np.float64] = np.linalg.solve(
            matrix, np.stack([sums[epoch][1]["pair"] for epoch in opened])
        ).sum(axis=0)
        return total

    def counted(self) -> NDArray[np.int64]:
        """The exact sum over everything in an accepted set up to the last that was opened."""
        total = np.zeros(CELLS, dtype=np.int64)
        last = max(self.sums())
        for epoch in range(last + 1):
            agreed = self.parties[Role.LEADER].aggregator.acceptance(epoch)
            assert agreed is not None
            for site in agreed.accepted.sites:
                for cell, weight in self.exact[site, epoch].items():
                    total[cell] += weight
        return total

    def stop(self) -> None:
        for party in self.parties.values():
            party.stop()


def reason(call: Callable[[], Any]) -> str:
    """Why a call is refused; "" where it is not."""
    try:
        call()
    except ShareError as error:
        return str(error.reason)
    return ""
