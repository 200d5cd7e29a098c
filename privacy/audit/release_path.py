"""The real release code from reports to published tables, for a world so small that it can be run millions of times.

Everything a site computes is what it computes in production: the wallet's `charge`, `EpochVector.sum`,
`encode_tables` and `add_noise`. What is different is that one encoded release is copied and noise is drawn for all
copies in one call, which is the same distribution; `replay` compares single runs through the whole path, messages and
signatures included, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.active_cells import ActiveCells
from privacy.audit.canary import Canary, Move
from privacy.epoch_vector import EpochVector
from privacy.patient_wallet import PatientOutcome, PatientWallet, charge
from privacy.protocol import SurveillanceProtocol
from privacy.release import Release, open_release, seal_release
from privacy.release_spec import ReleaseSpec
from privacy.trust_mode import PerSite, add_noise, encode_tables
from privacy.wallet import Operation, WalletPolicy

__all__ = ["History", "RandomBytes", "ReleasePath", "Tables"]

Tables = dict[str, NDArray[np.int64]]
History = Mapping[int, EpochVector]
RandomBytes = Callable[[int], bytes]

_BUCKETS = 8  # few, so that the canary's pairs meet
_OTHERS = 7 * 256  # what other patients have everywhere: the same in both worlds


class ReleasePath:
    """Trust mode ``per-site``: one site's releases.

    Parameters
    ----------
    protocol
        Whose budget, wallet, margin share and grid are audited. Its cells are replaced by the canary's; a calendar that
        counts with the square root is cut to `epochs` (noise and sensitivity scale with it), one with an artefact keeps
        its matrix and the last `epochs` are audited. Where it has buckets, half of the canary's pairs are counted in
        such.
    epochs
        Number of releases that the audit looks at.
    canary
        The patient; by default the matching that uses the wallet up.
    patients
        Number of equal patients that are all there or all missing. The guarantee for a group of g is g mu, so that a
        bound on the group's, divided by g, is one on mu; it needs g squared times fewer runs.
    """

    name = "per-site"

    def __init__(
        self, protocol: SurveillanceProtocol, *, epochs: int, patients: int, canary: Canary | None = None
    ) -> None:
        if not 1 <= epochs <= protocol.calendar.count:
            raise ParameterError(f"epochs must lie in [1, {protocol.calendar.count}], not {epochs!r}")
        if not patients >= 1:
            raise ParameterError(f"patients must be at least 1, not {patients!r}")
        policy = WalletPolicy(protocol.wallet_capacity, protocol.wallet_operations)
        self.canary = canary or Canary.using_up(policy, epochs=epochs)
        if not self.canary.moves[-1].epoch < epochs:
            raise ParameterError(f"a canary's moves must lie in the {epochs} epochs that are audited")
        self.protocol = _small_world(protocol, self.canary, epochs)
        self.spec = ReleaseSpec.of(self.protocol)
        self.patients = patients
        self.epochs = range(self.protocol.calendar.count - epochs, self.protocol.calendar.count)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        """What the wallet makes of a patient's reports."""
        return charge(
            wallet, added=move.added, removed=move.removed, policy=self.spec.wallet, layout=self.protocol.layout
        )

    def history(self, *, with_canary: bool) -> dict[int, EpochVector]:
        """Net weights by epoch, of all others and, or not, of the canary's patients."""
        operations: dict[int, list[Operation]] = {epoch: [] for epoch in self.epochs}
        operations[self.epochs[0]] += [Operation(place, _OTHERS) for place in range(self.protocol.layout.length)]
        for _ in range(self.patients if with_canary else 0):
            wallet = PatientWallet()
            for move in self.canary.moves:
                outcome = self.charge(wallet, move)
                wallet = outcome.wallet
                operations[self.epochs[move.epoch]] += outcome.operations
        return {epoch: EpochVector.sum(each) for epoch, each in operations.items()}

    def encode(self, epoch: int, history: History) -> Tables:
        """Exact W of an epoch, by table."""
        return encode_tables(self.spec, epoch, _until(epoch, history))

    def protect(self, tables: Tables, random_bytes: RandomBytes) -> None:
        """Add noise in place to tables of shape (copies, length)."""
        add_noise(tables, {name: table.sigma for name, table in self.spec.tables.items()}, random_bytes=random_bytes)

    def publish(self, epoch: int, history: History, copies: int, random_bytes: RandomBytes) -> list[Tables]:
        """All that the world sees of an epoch, in `copies` independent runs; a sound path publishes once."""
        tables = {name: np.tile(values, (copies, 1)) for name, values in self.encode(epoch, history).items()}
        self.protect(tables, random_bytes)
        return [tables]

    def publish_messages(self, epoch: int, history: History, random_bytes: RandomBytes) -> Tables:
        """One run of an epoch as in production: through the gate's own call, the signed line, and the hub's reading."""
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))  # signs nothing that leaves this process
        tables = PerSite().protect(self.spec, epoch, _until(epoch, history), random_bytes=random_bytes)
        release = Release(
            site="audit", protocol_hash=self.protocol.hash, era=self.protocol.era, epoch=epoch, sequence=epoch,
            tables=tables,
        )  # fmt: skip
        opened = open_release(seal_release(release, key), public_key=key.public_key(), protocol=self.protocol)
        return dict(opened.tables)

    def replay(self, seeds: Sequence[int]) -> bool:
        """Whether single runs by message are, bit for bit, what `publish` gives for the same random bytes."""
        for number, seed in enumerate(seeds):
            history = self.history(with_canary=number % 2 == 0)
            sources = [np.random.default_rng(seed).bytes for _ in range(2)]
            for epoch in self.epochs:
                (fast,) = self.publish(epoch, history, 1, sources[0])
                real = self.publish_messages(epoch, history, sources[1])
                if not all(np.array_equal(fast[name][0], real[name]) for name in real):
                    return False
        return True


def _until(epoch: int, history: History) -> dict[int, EpochVector]:
    return {past: vector for past, vector in history.items() if past <= epoch}


def _small_world(protocol: SurveillanceProtocol, canary: Canary, epochs: int) -> SurveillanceProtocol:
    calendar = protocol.calendar
    if protocol.factorisation is msgspec.UNSET:
        calendar = msgspec.structs.replace(calendar, count=epochs)
    drugs = tuple(f"drug {number}" for number in range(canary.drugs))
    reactions = tuple(f"reaction {number}" for number in range(canary.reactions))
    cells = None if protocol.residual_buckets is msgspec.UNSET else _half_active(canary, drugs, reactions)
    small = msgspec.structs.replace(
        protocol,
        drugs=drugs,
        reactions=reactions,
        calendar=calendar,
        active_cells=msgspec.UNSET if cells is None else cells.hash,
        residual_buckets=msgspec.UNSET if cells is None else _BUCKETS,
    )
    if cells is not None:
        small.bind(cells)
    if protocol.factorisation is not msgspec.UNSET:
        vars(small)["strategy"] = protocol.strategy  # the very matrix, bound to the protocol before
    return small


def _half_active(canary: Canary, drugs: tuple[str, ...], reactions: tuple[str, ...]) -> ActiveCells:
    """Every other pair of the canary, and all of nobody's; the rest meets in buckets."""
    pairs = sorted({cell for move in canary.moves for cell in (*move.added, *move.removed)})
    others = np.setdiff1d(np.arange(len(drugs) * len(reactions)), pairs[1::2])
    return ActiveCells.of(others, drugs=drugs, reactions=reactions, source="an audit")
