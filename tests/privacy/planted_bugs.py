"""Mistakes that real releases have made or nearly made, each as a small change of the real release path."""

from __future__ import annotations

from math import sqrt

import numpy as np

from privacy.audit import Canary, Move, ReleasePath, SecureSumPath
from privacy.audit.release_path import History, RandomBytes, Tables
from privacy.epoch_vector import EpochVector
from privacy.protocol import SurveillanceProtocol
from privacy.trust_mode import add_noise
from privacy.wallet import Account, Operation, Outcome, WalletPolicy, contribute

OPERATIONS = 4  # M of the audited protocol: k of the classical cap


def star(epochs: int, pairs: int, reactions: int) -> Canary:
    """The first `pairs` pairs of one drug, all in the first epoch."""
    assert epochs >= 1
    return Canary(reactions=reactions, moves=(Move(0, tuple(range(pairs))),))


class SigmaHalved(ReleasePath):
    """A factor of two lost between variance and standard deviation."""

    def protect(self, tables: Tables, random_bytes: RandomBytes) -> None:
        sigma = {name: table.sigma // 2 for name, table in self.spec.tables.items()}
        add_noise(tables, sigma, random_bytes=random_bytes)


class ReplaceOne(ReleasePath):
    """Noise for adding or removing a patient, where a patient is replaced by another: twice the squared distance."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        super().__init__(protocol, epochs=epochs, patients=patients, canary=star(epochs, OPERATIONS, 2 * OPERATIONS))

    def history(self, *, with_canary: bool) -> dict[int, EpochVector]:
        if with_canary:
            return super().history(with_canary=True)
        without, real = super().history(with_canary=False), self.canary
        others = tuple(Move(move.epoch, tuple(cell + OPERATIONS for cell in move.added)) for move in real.moves)
        self.canary = Canary(reactions=real.reactions, moves=others)
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
        canary = star(epochs, 5 * OPERATIONS, 5 * OPERATIONS)
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)

    def charge(self, account: Account, move: Move) -> Outcome:
        policy = WalletPolicy(capacity=16.0, operation_limit=1024)
        return contribute(account, added=move.added, removed=move.removed, policy=policy)


class OperationsNotCounted(ReleasePath):
    """The wallet watches C alone, not M: seen in the margins only, where many small pairs of one drug add up."""

    def charge(self, account: Account, move: Move) -> Outcome:
        policy = WalletPolicy(capacity=self.spec.wallet.capacity, operation_limit=1024)
        return contribute(account, added=move.added, removed=move.removed, policy=policy)

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        canary = star(epochs, 5 * OPERATIONS, 5 * OPERATIONS)
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)


class MarginSensitivity(ReleasePath):
    """Margins at sqrt(2 k) instead of sqrt(k (k + 1)): as if a patient's pairs never shared a drug."""

    def protect(self, tables: Tables, random_bytes: RandomBytes) -> None:
        sigma = {name: table.sigma for name, table in self.spec.tables.items()}
        for name in ("drug", "reaction"):
            sigma[name] = round(sigma[name] * sqrt(2 / (self.spec.wallet.operation_limit + 1)))
        add_noise(tables, sigma, random_bytes=random_bytes)


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
        canary = Canary(reactions=1, moves=tuple(Move(epoch, (0,)) for epoch in range(epochs)))
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)

    def charge(self, account: Account, move: Move) -> Outcome:
        return super().charge(Account(account.spent, account.operations), move)


class ReportsCounted(ReleasePath):
    """Reports instead of patients: a pair that is held already counts again, and nothing is charged for it."""

    def charge(self, account: Account, move: Move) -> Outcome:
        outcome = super().charge(account, move)
        again = tuple(
            Operation(cell, account.cells[cell].weight)
            for cell in move.added
            if cell in account.cells and account.cells[cell].is_counted
        )
        return Outcome(outcome.account, outcome.operations + again, outcome.blocked)


class ShareMissing(SecureSumPath):
    """One of the sites that are relied upon adds no noise."""

    def __init__(self, protocol: SurveillanceProtocol, *, epochs: int, patients: int) -> None:
        super().__init__(protocol, epochs=epochs, patients=patients)
        self.noisy_sites -= 1
