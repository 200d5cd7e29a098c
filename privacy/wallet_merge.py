r"""Two identities turn out to be one patient: what becomes of their wallets (rule R5).

Until then they were two units, each with a wallet of its own; what they contributed stays contributed. From then on
they are one unit, whose whole history must stay within C and M, or gain nothing more:

- operations add up;
- squared weights add up where no cell holds operations of both. Where one does, the two histories can point the same
  way, and their lengths add up: :math:`(\sqrt{s_1} + \sqrt{s_2})^2`, rounded up;
- a cell in which only one had operations goes on with its weight and its sign (R1), so that the patient counts once;
- a cell in which both had is frozen: what the tables hold there stays, and no operation touches it any more;
- the identity that was given up is closed: what still comes under it is not contributed.
"""

from __future__ import annotations

from math import isqrt
from types import MappingProxyType

from privacy.wallet import Account, CellState, WalletPolicy

__all__ = ["closed_account", "merged_account"]


def closed_account(account: Account, policy: WalletPolicy) -> Account:
    """The same reports and nothing left to pay with: during a merge, and for good where an identity was given up."""
    return Account(
        max(account.spent, policy.capacity_squared), max(account.operations, policy.operation_limit), account.cells
    )


def merged_account(kept: Account, given_up: Account) -> Account:
    """The wallet of the surviving identity.

    Its reports are those of `kept`: reports of the other identity arrive anew, or never, under the surviving one.

    Examples
    --------
    >>> from privacy.wallet import contribute
    >>> policy = WalletPolicy(capacity=1.5, operation_limit=16)
    >>> one = contribute(Account(), added=[7], removed=[], policy=policy).account
    >>> two = contribute(Account(), added=[8], removed=[], policy=policy).account
    >>> both = merged_account(one, two)
    >>> both.spent == one.spent + two.spent, both.operations
    (True, 2)
    >>> contribute(both, added=[8], removed=[], policy=policy).operations  # the tables hold it already
    ()
    """
    cells = dict(kept.cells)
    is_doubled = False
    for cell, theirs in given_up.cells.items():
        mine = cells.get(cell, CellState(0, 0, False))
        if not _is_touched(theirs):
            continue
        if _is_touched(mine):
            is_doubled = True
            cells[cell] = CellState(mine.reports, 0, True)
        else:
            cells[cell] = CellState(mine.reports, theirs.weight, theirs.is_counted)
    spent = kept.spent + given_up.spent
    if is_doubled:
        spent += isqrt(4 * kept.spent * given_up.spent) + 1
    return Account(spent, kept.operations + given_up.operations, MappingProxyType(cells))


def _is_touched(state: CellState) -> bool:
    """Whether an operation was ever paid in the cell (a frozen one is counted, without a weight)."""
    return state.weight > 0 or state.is_counted
