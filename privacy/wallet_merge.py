r"""Two identities turn out to be one patient: what becomes of their wallets (rule R5).

Until then they were two units, each with a wallet of its own; what they contributed stays contributed. From then on
they are one unit, whose whole history must stay within C and M, or gain nothing more:

- operations add up;
- squared weights add up where no cell holds operations of both. Where one does, the two histories can point the same
  way, and their lengths add up: :math:`(\sqrt{s_1} + \sqrt{s_2})^2`, rounded up;
- a cell in which only one had operations goes on with its weight and its sign (R1), so that the patient counts once;
- a cell in which both had is frozen: what the tables hold there stays, and no operation touches it any more;
- all this in the account of each table by itself;
- the identity that was given up is closed: what still comes under it is not contributed.
"""

from __future__ import annotations

from math import isqrt
from types import MappingProxyType

from privacy.patient_wallet import PatientWallet
from privacy.wallet import Account, CellState, WalletPolicy

__all__ = ["closed_wallet", "held_wallet", "merged_wallet"]


def closed_wallet(wallet: PatientWallet, policy: WalletPolicy) -> PatientWallet:
    """The same reports and nothing left to pay with: during a merge, and for good where an identity was given up."""
    return PatientWallet(*(_closed(account, policy) for account in (wallet.pairs, wallet.drugs, wallet.reactions)))


def held_wallet(before: PatientWallet, now: PatientWallet) -> PatientWallet:
    """What a wallet closed during a merge is worth: the spend of `before`, the reports that have come since."""
    return PatientWallet(
        *(
            Account(old.spent, old.operations, new.cells)
            for old, new in (
                (before.pairs, now.pairs),
                (before.drugs, now.drugs),
                (before.reactions, now.reactions),
            )
        )
    )


def merged_wallet(kept: PatientWallet, given_up: PatientWallet) -> PatientWallet:
    """The wallet of the surviving identity.

    Its reports are those of `kept`: reports of the other identity arrive anew, or never, under the surviving one. A
    drug or reaction stays counted as long as a pair of either is.

    Examples
    --------
    >>> from privacy.patient_wallet import charge
    >>> from privacy.table_layout import TableLayout
    >>> rules = {"policy": WalletPolicy(capacity=1.5, operation_limit=16), "layout": TableLayout(drugs=3, reactions=4)}
    >>> one = charge(PatientWallet(), added=[7], removed=[], **rules).wallet
    >>> two = charge(PatientWallet(), added=[8], removed=[], **rules).wallet
    >>> both = merged_wallet(one, two)
    >>> both.pairs.spent == one.pairs.spent + two.pairs.spent, both.pairs.operations
    (True, 2)
    >>> charge(both, added=[8], removed=[], **rules).operations  # the tables hold it already
    ()
    """
    return PatientWallet(
        _merged(kept.pairs, given_up.pairs, reports_move=False),
        _merged(kept.drugs, given_up.drugs, reports_move=True),
        _merged(kept.reactions, given_up.reactions, reports_move=True),
    )


def _closed(account: Account, policy: WalletPolicy) -> Account:
    return Account(
        max(account.spent, policy.capacity_squared), max(account.operations, policy.operation_limit), account.cells
    )


def _merged(kept: Account, given_up: Account, *, reports_move: bool) -> Account:
    """One table's account; `reports_move` where what holds a cell (the counted pairs of a margin) is that of both."""
    cells = dict(kept.cells)
    is_doubled = False
    for cell, theirs in given_up.cells.items():
        mine = cells.get(cell, CellState(0, 0, False))
        if not _is_touched(theirs):
            continue
        reports = mine.reports + (theirs.reports if reports_move else 0)
        if _is_touched(mine):
            is_doubled = True
            cells[cell] = CellState(reports, 0, True)
        else:
            cells[cell] = CellState(reports, theirs.weight, theirs.is_counted)
    spent = kept.spent + given_up.spent
    if is_doubled:
        spent += isqrt(4 * kept.spent * given_up.spent) + 1
    return Account(spent, kept.operations + given_up.operations, MappingProxyType(cells))


def _is_touched(state: CellState) -> bool:
    """Whether an operation was ever paid in the cell (a frozen one is counted, without a weight)."""
    return state.weight > 0 or state.is_counted
