"""Casebook: case versions become changes of the counts and operations of the privacy wallet. Pure.

A version that is not newer changes nothing. A newer one takes back what the old one contributed; what both have in
common is not touched, so a follow-up that repeats its pairs costs no wallet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cases import Case, Contribution
from privacy.patient_wallet import PatientWallet, charge
from privacy.protocol import SurveillanceProtocol
from privacy.table_layout import TableLayout
from privacy.wallet import WalletPolicy
from streams.cell_index import CellIndex
from streams.table_change import TableChange

__all__ = ["BookChanges", "Casebook"]


@dataclass(slots=True)
class BookChanges:
    """What a batch changes; nothing of it is applied yet.

    Parameters
    ----------
    cases
        Newest version by case key, of the keys that changed.
    wallets
        By patient, of those that changed.
    operations
        ``(coordinate, weight)`` in order, to be released with the next part.
    table
        Changes of the local counts, in order.
    first_seen
        Cases whose key was new, with what they contribute: what online models learn.
    stale
        Current versions of cases of which an older version came by; the shell writes these into the case log again so
        that its last word on a case is its newest.
    exhausted
        Of the patients in `wallets`, those whose wallet is spent now.
    blocked
        Operations that a patient's wallet no longer paid for.
    live
        By how many the number of live cases changes.
    """

    cases: dict[str, Case] = field(default_factory=dict)
    wallets: dict[str, PatientWallet] = field(default_factory=dict)
    operations: list[tuple[int, int]] = field(default_factory=list)
    table: list[TableChange] = field(default_factory=list)
    first_seen: list[tuple[Case, Contribution]] = field(default_factory=list)
    stale: list[Case] = field(default_factory=list)
    exhausted: set[str] = field(default_factory=set)
    blocked: int = 0
    live: int = 0


class Casebook:
    """The fold over case versions.

    Parameters
    ----------
    protocol
        The accepted surveillance protocol: its cells, wallet, and whether narrative findings count. Without one only
        the local counts are kept, coded items alone.
    """

    def __init__(self, protocol: SurveillanceProtocol | None) -> None:
        self.with_narrative = protocol.with_narrative if protocol is not None else False
        self._cells = CellIndex(protocol) if protocol is not None else None
        self._layout = protocol.layout if protocol is not None else TableLayout(drugs=0, reactions=0)
        self._policy = (
            WalletPolicy(capacity=protocol.wallet_capacity, operation_limit=protocol.wallet_operations)
            if protocol is not None
            else None
        )

    def fold(
        self, cases: Iterable[Case], known: Mapping[str, Case], wallets: Mapping[str, PatientWallet]
    ) -> BookChanges:
        """Changes that `cases` make, in their order, to the book that holds `known` and `wallets`.

        `known` must hold the current version of every key in `cases`, and `wallets` those of every patient named
        in either; what is missing there is new. Neither is touched.
        """
        changes = BookChanges()
        for case in cases:
            key = str(case.key)
            old = changes.cases.get(key, known.get(key))
            if old is not None and not _is_newer(case, old):
                if _is_newer(old, case):
                    changes.stale.append(old)
                continue
            changes.cases[key] = case
            changes.live += int(not case.is_nullified) - int(old is not None and not old.is_nullified)
            contribution = self.contribution(case)
            if old is None and not case.is_nullified:
                changes.first_seen.append((case, contribution))
            self._replace(changes, wallets, old, case, contribution)
        return changes

    def contribution(self, case: Case) -> Contribution:
        """What a case adds to the local counts under this book's protocol."""
        return case.contribution(with_narrative=self.with_narrative)

    def _replace(
        self,
        changes: BookChanges,
        wallets: Mapping[str, PatientWallet],
        old: Case | None,
        new: Case,
        added: Contribution,
    ) -> None:
        removed = self.contribution(old) if old is not None else Contribution((), ())
        if old is None or added != removed or old.stratum != new.stratum:
            if old is not None and removed:
                changes.table.append(TableChange(removed.drugs, removed.reactions, old.stratum, is_added=False))
            if added:
                changes.table.append(TableChange(added.drugs, added.reactions, new.stratum, is_added=True))
        if self._cells is None or self._policy is None:
            return
        new_cells = self._cells.cells(added)
        if old is None:
            self._operate(self._policy, changes, wallets, new.patient, new_cells, ())
            return
        old_cells = self._cells.cells(removed)
        if old.patient == new.patient:
            kept = set(new_cells) & set(old_cells)
            self._operate(
                self._policy,
                changes,
                wallets,
                new.patient,
                [cell for cell in new_cells if cell not in kept],
                [cell for cell in old_cells if cell not in kept],
            )
        else:
            self._operate(self._policy, changes, wallets, old.patient, (), old_cells)
            self._operate(self._policy, changes, wallets, new.patient, new_cells, ())

    def _operate(
        self,
        policy: WalletPolicy,
        changes: BookChanges,
        wallets: Mapping[str, PatientWallet],
        patient: str,
        added: Sequence[int],
        removed: Sequence[int],
    ) -> None:
        if not added and not removed:
            return
        wallet = changes.wallets.get(patient, wallets.get(patient, _NEW))
        outcome = charge(
            wallet, added=added, removed=removed, policy=policy, layout=self._layout, salt=patient.encode()
        )
        changes.wallets[patient] = outcome.wallet
        if outcome.wallet.is_exhausted(policy):
            changes.exhausted.add(patient)
        changes.operations += [(operation.cell, operation.weight) for operation in outcome.operations]
        changes.blocked += outcome.blocked


_NEW = PatientWallet()


def _is_newer(new: Case, old: Case) -> bool:
    """Later version; of two equal ones the live one (a case that moves to another patient is nullified there first)."""
    return (new.version, not new.is_nullified) > (old.version, not old.is_nullified)
