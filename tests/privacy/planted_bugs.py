"""Mistakes that real releases have made or nearly made, each as a small change of the real release path."""

from __future__ import annotations

from math import sqrt
from types import MappingProxyType

import msgspec
import numpy as np

from privacy.active_cells import ActiveCells
from privacy.audit import Canary, Move, ReleasePath, SecureSumPath
from privacy.audit.release_path import History, RandomBytes, Tables
from privacy.dense_factorisation import DenseFactorisation
from privacy.epoch_vector import EpochVector
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.patient_wallet import PatientOutcome, PatientWallet, charge
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.table_layout import TableLayout
from privacy.trust_mode import add_noise
from privacy.wallet import WEIGHT_ONE, Account, Operation, WalletPolicy
from privacy.workload import Workload

OPERATIONS = 4  # M of the audited protocol: k of the classical cap


def matching(size: int, pairs: range) -> Canary:
    """Pairs on the diagonal of a square world, all in the first epoch."""
    cells = tuple(number * (size + 1) for number in pairs)
    return Canary(drugs=size, reactions=size, moves=(Move(0, cells),))


class SigmaHalved(ReleasePath):
    """A factor of two lost between variance and standard deviation."""

    def protect(self, tables: Tables, random_bytes: RandomBytes) -> None:
        sigma = {name: table.sigma // 2 for name, table in self.spec.tables.items()}
        add_noise(tables, sigma, random_bytes=random_bytes)


class ReplaceOne(ReleasePath):
    """Noise for adding or removing a patient, where a patient is replaced by another: twice the squared distance."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        canary = matching(2 * OPERATIONS, range(OPERATIONS))
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)

    def history(self, *, with_canary: bool) -> dict[int, EpochVector]:
        if with_canary:
            return super().history(with_canary=True)
        without, real = super().history(with_canary=False), self.canary
        self.canary = matching(2 * OPERATIONS, range(OPERATIONS, 2 * OPERATIONS))
        swapped = super().history(with_canary=True)
        self.canary = real
        assert without != swapped
        return swapped


class SecondDraw(ReleasePath):
    """A retry after a timeout draws and publishes once more."""

    def publish(self, epoch: int, history: History, copies: int, random_bytes: RandomBytes) -> list[Tables]:
        first = super().publish(epoch, history, copies, random_bytes)
        return first + super().publish(epoch, history, copies, random_bytes)


class CapNotEnforced(ReleasePath):
    """Every pair of a patient counts in full: five times as many as the wallet pays."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        canary = matching(5 * OPERATIONS, range(5 * OPERATIONS))
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        policy = WalletPolicy(capacity=16.0, operation_limit=1024)
        return charge(wallet, added=move.added, removed=move.removed, policy=policy, layout=self.protocol.layout)


class MarginsOncePerPair(ReleasePath):
    """Margins as sums over pairs, without an account of their own: a drug counts once for each pair that holds it."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        star = Canary(drugs=1, reactions=OPERATIONS, moves=(Move(0, tuple(range(OPERATIONS))),))
        super().__init__(protocol, epochs=epochs, patients=patients, canary=star)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        outcome, layout = super().charge(wallet, move), self.protocol.layout
        pairs = [each for each in outcome.operations if each.cell < layout.cells]
        margins = [
            Operation(place, each.weight)
            for each in pairs
            for place in (layout.drug(each.cell), layout.reaction(each.cell))
        ]
        return PatientOutcome(outcome.wallet, (*pairs, *margins), outcome.blocked)


class MarginSensitivity(ReleasePath):
    """Noise of margins scaled to one table: as if a patient could use the wallet up for drugs or for reactions only."""

    def protect(self, tables: Tables, random_bytes: RandomBytes) -> None:
        sigma = {name: table.sigma for name, table in self.spec.tables.items()}
        for name in ("drug", "reaction"):
            sigma[name] = round(sigma[name] / sqrt(2))
        add_noise(tables, sigma, random_bytes=random_bytes)


class MarginInFull(ReleasePath):
    """A margin counts patients in full, and pays for it from no purse: the weight of the pair is forgotten."""

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        outcome = super().charge(wallet, move)
        operations = tuple(
            each
            if each.cell < self.protocol.layout.cells
            else Operation(each.cell, WEIGHT_ONE * (each.weight // abs(each.weight)))
            for each in outcome.operations
        )
        return PatientOutcome(outcome.wallet, operations, outcome.blocked)


class MarginForgotten(ReleasePath):
    """R1 broken in a margin: a drug that no pair holds any more is forgotten instead of taken back, and founded anew.

    Every operation is paid for. The wallet is wide, as a pair has to come and go a few times for it to show.
    """

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        wide = msgspec.structs.replace(protocol, wallet_capacity=3.0, wallet_operations=16)
        moves = tuple(Move(0, *change) for change in [((0,), ()), ((), (0,))] * 4 + [((0,), ())])
        canary = Canary(drugs=1, reactions=1, moves=moves)
        super().__init__(wide, epochs=epochs, patients=patients, canary=canary)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        outcome, cells = super().charge(wallet, move), self.protocol.layout.cells
        operations = tuple(each for each in outcome.operations if each.cell < cells or each.weight > 0)
        drugs, reactions = (_forgetful(account) for account in (outcome.wallet.drugs, outcome.wallet.reactions))
        return PatientOutcome(PatientWallet(outcome.wallet.pairs, drugs, reactions), operations, outcome.blocked)


def _forgetful(account: Account) -> Account:
    held = {place: state for place, state in account.cells.items() if state.is_counted}
    return Account(account.spent, account.operations, MappingProxyType(held))


class MarginPurseForgotten(ReleasePath):
    """R2 broken in a margin: it keeps the weights of R1 and pays for nothing.

    The patient's pair comes and goes, and two others bring its drug and its reaction back for next to nothing. The
    square root hides it, as it adds up what comes and goes; it shows where each release stands for itself.
    """

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        count = protocol.calendar.count
        itself = DenseFactorisation(np.diag(np.full(count, 1 << 12, dtype=np.uint16)), 12)
        artefact = FactorisationArtefact.of(itself, Workload(objective="mean-square"))
        apart = msgspec.structs.replace(
            protocol, wallet_capacity=1.4375, factorisation=artefact.hash, coefficient_bits=12
        ).bind(artefact)
        moves = (Move(0, (0,)), Move(1, (), (0,)), Move(2, (1, 2)))
        canary = Canary(drugs=2, reactions=2, moves=moves)
        super().__init__(apart, epochs=epochs, patients=patients, canary=canary)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        purses = [Account(0, 0, each.cells) for each in (wallet.drugs, wallet.reactions)]
        return super().charge(PatientWallet(wallet.pairs, *purses), move)


class SeedUsedAgain(ReleasePath):
    """An epoch is published, late data come in, and it is published anew with noise from the same seed."""

    def publish(self, epoch: int, history: History, copies: int, random_bytes: RandomBytes) -> list[Tables]:
        seed = int.from_bytes(random_bytes(8), "little")
        early = self.history(with_canary=False)
        return [
            super(SeedUsedAgain, self).publish(epoch, data, copies, np.random.default_rng(seed).bytes)[0]
            for data in (early, history)
        ]


class NoiseRepeated(ReleasePath):
    """One draw serves all epochs: the first difference of two releases has no noise at all."""

    def publish(self, epoch: int, history: History, copies: int, random_bytes: RandomBytes) -> list[Tables]:
        del random_bytes
        return super().publish(epoch, history, copies, np.random.default_rng(5).bytes)


class SameSignAgain(ReleasePath):
    """R1 broken: the wallet forgets what it counted, so a pair adds up as often as it is reported, paid each time."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        canary = Canary(drugs=1, reactions=1, moves=tuple(Move(epoch, (0,)) for epoch in range(epochs)))
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        spends = [Account(each.spent, each.operations) for each in (wallet.pairs, wallet.drugs, wallet.reactions)]
        return super().charge(PatientWallet(*spends), move)


class ReportsCounted(ReleasePath):
    """Reports instead of patients: a pair that is held already counts again, and nothing is charged for it."""

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        outcome, layout = super().charge(wallet, move), self.protocol.layout
        held = {**wallet.pairs.cells, **wallet.drugs.cells, **wallet.reactions.cells}
        again = tuple(
            Operation(place, held[place].weight)
            for cell in move.added
            for place in (cell, layout.drug(cell), layout.reaction(cell))
            if place in held and held[place].is_counted
        )
        return PatientOutcome(outcome.wallet, outcome.operations + again, outcome.blocked)


class ShareMissing(SecureSumPath):
    """One of the sites that are relied upon adds no noise."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        super().__init__(protocol, epochs=epochs, patients=patients)
        self.noisy_sites -= 1


class BucketPaidByPair(ReleasePath):
    """The account knows pairs, the table buckets: two that meet count twice and were paid for as if they did not."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        super().__init__(protocol, epochs=epochs, patients=patients, canary=matching(2 * OPERATIONS, range(OPERATIONS)))
        small = self.protocol
        cells = ActiveCells.of(np.array([1]), drugs=small.drugs, reactions=small.reactions, source="nobody's pair")
        self.protocol = msgspec.structs.replace(small, active_cells=cells.hash, residual_buckets=2).bind(cells)
        self.spec = ReleaseSpec.of(self.protocol)

    def charge(self, wallet: PatientWallet, move: Move) -> PatientOutcome:
        dense, layout = TableLayout(2 * OPERATIONS, 2 * OPERATIONS), self.protocol.layout
        outcome = charge(wallet, added=move.added, removed=move.removed, policy=self.spec.wallet, layout=dense)
        moved = tuple(
            Operation(layout.positions([cell])[0] if cell < dense.cells else cell - dense.cells + layout.cells, weight)
            for cell, weight in outcome.operations
        )
        return PatientOutcome(outcome.wallet, moved, outcome.blocked)
