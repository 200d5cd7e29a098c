r"""What one patient may add to all tables: three accounts under the same rules, one for each table.

A margin counts patients, not pairs: a drug once for a patient with it, however many pairs bring it. Of a margin the
account of cells is the account of drugs (or reactions); its "reports" are the patient's counted pairs that hold one. A
drug has the weight of the pair that brought it first, pays for every operation from its own purse, and keeps rules R1
and R2 by itself. As long as nothing is taken back its purse cannot be shorter than that of the pairs: every drug that
comes is paid for by a pair of the same weight that came with it.

Where pairs share buckets (`privacy.residual_cells`) a bucket counts a patient once, like a cell. Its operations bring
and take the drugs and reactions of the pairs that were added or removed with them. A pair that comes to a bucket the
patient is counted in already costs nothing and brings neither; when the pairs of a bucket go at different times, only
the last takes its drug and reaction along. Both margins stay under their own accounts, so this may bend a count (with a
million buckets of one in ten thousand of those patients who have 16 pairs), and never a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from cases.errors import IntegrityError
from privacy.table_layout import TableLayout
from privacy.wallet import Account, Operation, Outcome, WalletPolicy, contribute, pack_account, unpack_account

__all__ = ["PatientOutcome", "PatientWallet", "charge", "decode_wallet", "encode_wallet"]

_CODEC_VERSION = 2
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, tuple[list[int], list[int], list[int]]])


_FULL = Account()


@dataclass(frozen=True, slots=True)
class PatientWallet:
    """One patient's wallet in one era.

    Parameters
    ----------
    pairs
        By position in the pair table (`TableLayout`).
    drugs, reactions
        By coordinate of the margins (`TableLayout`).
    """

    pairs: Account = _FULL
    drugs: Account = _FULL
    reactions: Account = _FULL

    @classmethod
    def exhausted(cls, policy: WalletPolicy) -> PatientWallet:
        """A wallet with nothing left: what every patient gets whose real one was lost or is in doubt (R5)."""
        return cls(*(Account.exhausted(policy) for _ in range(3)))

    def is_exhausted(self, policy: WalletPolicy) -> bool:
        """Whether no pair can be paid any more."""
        return self.pairs.is_exhausted(policy)


@dataclass(frozen=True, slots=True)
class PatientOutcome:
    """The wallet after a change, the operations paid for, and how many wanted ones could not be paid."""

    wallet: PatientWallet
    operations: tuple[Operation, ...]
    blocked: int


def charge(
    wallet: PatientWallet,
    *,
    added: Sequence[int],
    removed: Sequence[int],
    policy: WalletPolicy,
    layout: TableLayout,
    salt: bytes = b"",
) -> PatientOutcome:
    """Charge a change of a patient's reports to the wallet; `privacy.wallet.contribute` says how for the pairs.

    Parameters
    ----------
    added, removed
        Product cells that one more, or one fewer, live report of the patient holds.

    Examples
    --------
    >>> policy, layout = WalletPolicy(capacity=1.5, operation_limit=16), TableLayout(drugs=2, reactions=3)
    >>> first = charge(PatientWallet(), added=[3, 4], removed=[], policy=policy, layout=layout)
    >>> first.operations[:2]  # pairs
    (Operation(cell=3, weight=256), Operation(cell=4, weight=256))
    >>> first.operations[2:]  # the drug, once, and both reactions
    (Operation(cell=7, weight=256), Operation(cell=8, weight=256), Operation(cell=9, weight=256))
    """
    come, go = layout.positions(added), layout.positions(removed)
    pairs = contribute(wallet.pairs, added=come, removed=go, policy=policy, salt=salt)
    operations: Sequence[Operation] = pairs.operations
    if layout.residual is not None:
        operations = _by_pair(operations, zip(come, added, strict=True), zip(go, removed, strict=True))
    drugs = _follow(wallet.drugs, operations, layout.drug, policy)
    reactions = _follow(wallet.reactions, operations, layout.reaction, policy)
    return PatientOutcome(
        PatientWallet(pairs.account, drugs.account, reactions.account),
        pairs.operations + drugs.operations + reactions.operations,
        pairs.blocked + drugs.blocked + reactions.blocked,
    )


def _by_pair(
    operations: Sequence[Operation], added: Iterable[tuple[int, int]], removed: Iterable[tuple[int, int]]
) -> list[Operation]:
    """Operations by product cell instead of by position; `added` and `removed` are positions with their cells."""
    come, go = dict.fromkeys(added), dict.fromkeys(removed)
    return [
        Operation(cell, weight)
        for place, weight in operations
        for position, cell in (come if weight > 0 else go)
        if position == place
    ]


def _follow(
    account: Account, operations: Sequence[Operation], margin: Callable[[int], int], policy: WalletPolicy
) -> Outcome:
    """What pairs that come and go do to a margin."""
    if not operations:
        return Outcome(account, (), 0)
    added: list[int] = []
    removed: list[int] = []
    weights: dict[int, int] = {}
    for cell, weight in operations:
        place = margin(cell)
        if weight > 0:
            added.append(place)
            weights[place] = max(weight, weights.get(place, 0))
        else:
            removed.append(place)
    return contribute(account, added=added, removed=removed, policy=policy, weights=weights)


def encode_wallet(wallet: PatientWallet) -> bytes:
    """A few bytes a cell (MessagePack); equal wallets give equal bytes."""
    accounts = (wallet.pairs, wallet.drugs, wallet.reactions)
    return _encoder.encode((_CODEC_VERSION, tuple(pack_account(account) for account in accounts)))


def decode_wallet(data: bytes) -> PatientWallet:
    """The wallet in `data`; raises `IntegrityError` where the bytes are not what `encode_wallet` gives."""
    try:
        version, accounts = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"not a patient's wallet: {error}") from error
    if version != _CODEC_VERSION:
        raise IntegrityError(f"a patient's wallet has codec version {version}, this program knows {_CODEC_VERSION}")
    return PatientWallet(*(unpack_account(flat) for flat in accounts))
