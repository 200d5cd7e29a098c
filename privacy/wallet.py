"""The account: what one patient may add to one table in one era, in exact integers (`privacy.patient_wallet` has all).

Rules (`docs/privacy.md`), on which the sensitivity proof rests:

- R1: in each cell a patient's operations alternate +, -, +, ... with one and the same weight;
- R2: the squares of all weights sum to at most C squared, and there are at most M operations;
- R3: a weight is a multiple of 2**-8 in (0, 1], rounded down;
- R5: fail closed: what the wallet cannot pay is not contributed. It is counted as blocked.

The unit is the patient, not the report: a cell counts once however many live reports of the patient hold it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isqrt
from types import MappingProxyType
from typing import NamedTuple

from cases.errors import IntegrityError, ParameterError

__all__ = [
    "WEIGHT_BITS",
    "WEIGHT_ONE",
    "Account",
    "CellState",
    "Operation",
    "Outcome",
    "WalletPolicy",
    "contribute",
    "pack_account",
    "unpack_account",
]

WEIGHT_BITS = 8
WEIGHT_ONE = 1 << WEIGHT_BITS


@dataclass(frozen=True, slots=True)
class WalletPolicy:
    """What a full wallet holds.

    Parameters
    ----------
    capacity
        C, a multiple of 2**-8 in (0, 16].
    operation_limit
        M, in [1, 1024].
    """

    capacity: float
    operation_limit: int

    def __post_init__(self) -> None:
        if not (0 < self.capacity <= 16 and (self.capacity * WEIGHT_ONE).is_integer()):
            raise ParameterError(f"capacity must be a multiple of 1/256 in (0, 16], not {self.capacity!r}")
        if not 1 <= self.operation_limit <= 1024:
            raise ParameterError(f"operation_limit must lie in [1, 1024], not {self.operation_limit!r}")

    @property
    def capacity_squared(self) -> int:
        """C squared in squared grid units (2**-16); exact."""
        return int(self.capacity * WEIGHT_ONE) ** 2


class CellState(NamedTuple):
    """One patient's state in one cell.

    Parameters
    ----------
    reports
        Live reports of the patient that hold the pair.
    weight
        Weight of every operation in the cell, in grid units (2**-8); 0 as long as none was paid.
    is_counted
        Whether the last operation was a +, that is, whether the tables hold the weight now. Counted without a weight
        is frozen (`privacy.wallet_merge`): no operation is paid there any more.
    """

    reports: int
    weight: int
    is_counted: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One patient's wallet in one era.

    Parameters
    ----------
    spent
        Sum of squared weights so far, in squared grid units (2**-16).
    operations
        Number of operations so far.
    cells
        State by cell number.
    """

    spent: int = 0
    operations: int = 0
    cells: Mapping[int, CellState] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def exhausted(cls, policy: WalletPolicy) -> Account:
        """A wallet with nothing left: what every patient gets whose real one was lost or is in doubt (R5)."""
        return cls(policy.capacity_squared, policy.operation_limit)

    def is_exhausted(self, policy: WalletPolicy) -> bool:
        """Whether not even an operation of the smallest weight can be paid any more."""
        return self.spent >= policy.capacity_squared or self.operations >= policy.operation_limit


class Operation(NamedTuple):
    """Add `weight` (signed, in units of 2**-8, never 0) to a cell."""

    cell: int
    weight: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The account after a change, the operations paid for, and how many wanted ones could not be paid."""

    account: Account
    operations: tuple[Operation, ...]
    blocked: int


def contribute(
    account: Account,
    *,
    added: Sequence[int],
    removed: Sequence[int],
    policy: WalletPolicy,
    salt: bytes = b"",
    weights: Mapping[int, int] | None = None,
) -> Outcome:
    r"""Charge a change of a patient's reports to the wallet.

    Retractions are paid first, then cells that come back (their weight is fixed, R1), then the m new cells with
    weight :math:`\min(1, \sqrt{left / m})`, rounded down. Where fewer operations than new cells are left, those are
    chosen in an order that depends on `salt` and the cell only, so that no drug is favoured by its place in the list.

    Parameters
    ----------
    account
        The wallet before; never changed.
    added, removed
        Cells that one more, or one fewer, live report of the patient holds; a cell in both is no change. A cell may
        stand more than once where several reports changed.
    salt
        Something of the patient (the pseudonym).
    weights
        Of a margin: what each new cell costs, instead of its part of what is left; one that cannot pay is blocked. A
        margin may be asked to remove more than it holds, as a merge of patients leaves pairs counted that it has not.

    Raises
    ------
    ParameterError
        `removed` takes back a report that the account does not hold, or a cell number is negative.

    Examples
    --------
    >>> policy = WalletPolicy(capacity=1.5, operation_limit=16)
    >>> first = contribute(Account(), added=[7], removed=[], policy=policy)
    >>> first.operations
    (Operation(cell=7, weight=256),)
    >>> contribute(first.account, added=[7, 8, 9], removed=[], policy=policy).operations  # 7 is counted already
    (Operation(cell=8, weight=202), Operation(cell=9, weight=202))
    """
    cells = dict(account.cells)
    retract: list[int] = []
    again: list[int] = []
    new: list[int] = []
    if removed:
        change = Counter(added)
        change.subtract(removed)
        changes = [(cell, delta) for cell, delta in change.items() if delta]
    elif len(set(added)) == len(added):
        changes = [(cell, 1) for cell in added]
    else:
        changes = list(Counter(added).items())
    for cell, delta in sorted(changes):
        before = cells.get(cell, _NOTHING)
        reports = before.reports + delta
        if weights is not None:
            reports = max(reports, 0)
        if cell < 0 or reports < 0:
            raise ParameterError(f"cell {cell}: the account holds {before.reports} reports, not {-delta} to remove")
        cells[cell] = CellState(reports, before.weight, before.is_counted)
        if reports and not before.reports and not before.is_counted:
            (again if before.weight else new).append(cell)
        elif not reports and before.is_counted:
            retract.append(cell)

    spent, count, operations = account.spent, account.operations, []
    given = {} if weights is None else {cell: weights[cell] for cell in new}
    for sign, wanted in ((-1, retract), (1, again), (1, list(given))):
        for cell in wanted:
            weight = given.get(cell, cells[cell].weight)
            if weight and spent + weight * weight <= policy.capacity_squared and count < policy.operation_limit:
                spent, count = spent + weight * weight, count + 1
                cells[cell] = CellState(cells[cell].reports, weight, sign > 0)
                operations.append(Operation(cell, sign * weight))
    places = policy.operation_limit - count if weights is None else 0
    if 0 < places < len(new):
        chosen = sorted(sorted(new, key=lambda cell: _rank(salt, cell))[:places])
    else:
        chosen = new if places > 0 else []
    if chosen and (weight := _weight(policy.capacity_squared - spent, len(chosen))):
        for cell in chosen:
            cells[cell] = CellState(cells[cell].reports, weight, True)
            operations.append(Operation(cell, weight))
        spent, count = spent + weight * weight * len(chosen), count + len(chosen)
    for cell, _ in changes:
        if cells[cell] == _NOTHING:
            del cells[cell]
    blocked = len(retract) + len(again) + len(new) - len(operations)
    return Outcome(Account(spent, count, MappingProxyType(cells)), tuple(operations), blocked)


_NOTHING = CellState(0, 0, False)


def _weight(left: int, count: int) -> int:
    """The floor of min(1, sqrt(left / count)), in grid units, exactly."""
    return min(WEIGHT_ONE, isqrt(left // count)) if left > 0 else 0


def _rank(salt: bytes, cell: int) -> bytes:
    return blake2b(cell.to_bytes(8, "little"), key=salt[:64], digest_size=16).digest()


def pack_account(account: Account) -> list[int]:
    """The account as whole numbers, few and small (cells by number as differences); `unpack_account` is the inverse."""
    flat = [account.spent, account.operations]
    previous = 0
    for cell, (reports, weight, is_counted) in sorted(account.cells.items()):
        flat += (cell - previous, reports, weight << 1 | is_counted)
        previous = cell
    return flat


def unpack_account(numbers: Sequence[int]) -> Account:
    """The account in `numbers`; raises `IntegrityError` where they are not what `pack_account` gives."""
    (spent, operations), flat = numbers[:2] if len(numbers) >= 2 else (-1, -1), numbers[2:]
    cells: dict[int, CellState] = {}
    cell = 0
    for step, reports, paid in zip(flat[::3], flat[1::3], flat[2::3], strict=False):
        cell += step
        cells[cell] = CellState(reports, paid >> 1, bool(paid & 1))
    is_sound = min(spent, operations, *flat) >= 0 if flat else min(spent, operations) >= 0
    if not (is_sound and len(flat) == 3 * len(cells) and max(flat[2::3], default=0) <= WEIGHT_ONE << 1 | 1):
        raise IntegrityError("a wallet account is damaged")
    return Account(spent, operations, MappingProxyType(cells))
