"""How far the patients of a site have spent their wallets: a distribution, which names nobody."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from cases import ConfigurationError
from privacy.wallet import WalletPolicy
from streams.pairs import open_stores
from streams.partition_book import wallet_summary
from streams.settings import SiteSettings
from streams.store import PartitionStore
from streams.wallet_summary import WalletSummary

__all__ = ["WalletDistribution", "site_wallets", "wallet_distribution"]

_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_TENTHS = 10


class WalletDistribution(msgspec.Struct, frozen=True, kw_only=True):
    """The wallets of all patients together; exact, so it stays at the site.

    Parameters
    ----------
    patients
        With a wallet; identities that were merged into others are not among them.
    merged_identities
        Those that were.
    exhausted
        Patients who can pay nothing more in this era.
    blocked_operations, pending_operations
        As `WalletSummary` has them.
    spent_quantiles
        Share of C squared that is spent on pairs, by quantile ("0.5" is the median); empty without patients.
    spent_by_tenth
        Number of patients who spent [0, .1), [.1, .2), ... of C squared; the last holds all from .9 on.
    operation_quantiles
        Operations on pairs used, by quantile.
    operation_limit
        M.
    """

    patients: int
    merged_identities: int
    exhausted: int
    blocked_operations: int
    pending_operations: int
    spent_quantiles: dict[str, float]
    spent_by_tenth: tuple[int, ...]
    operation_quantiles: dict[str, float]
    operation_limit: int


def site_wallets(settings: SiteSettings) -> WalletDistribution:
    """Of all partitions on this machine; workers may run meanwhile. Raises `ConfigurationError` without a protocol."""
    protocol = settings.protocol()
    if protocol is None:
        raise ConfigurationError("without a protocol there are no wallets", hint="set [site] protocol_file")
    policy = WalletPolicy(protocol.wallet_capacity, protocol.wallet_operations)
    return wallet_distribution(open_stores(settings, "casebook"), policy)


def wallet_distribution(stores: Iterable[PartitionStore], policy: WalletPolicy) -> WalletDistribution:
    """The wallets of `stores`, each looked at once, in order."""
    summary = WalletSummary(patients=0, exhausted=0, blocked_operations=0, pending_operations=0)
    spent: list[int] = []
    operations: list[int] = []
    exhausted = merged = 0
    for store in stores:
        summary += wallet_summary(store)
        merged += store.merged_count()
        for wallet in store.open_wallets():
            spent.append(wallet.pairs.spent)
            operations.append(wallet.pairs.operations)
            exhausted += wallet.is_exhausted(policy)
    share = np.array(spent, dtype=np.float64) / policy.capacity_squared
    tenth = np.minimum((share * _TENTHS).astype(np.int64), _TENTHS - 1)
    return WalletDistribution(
        patients=len(spent),
        merged_identities=merged,
        exhausted=exhausted,
        blocked_operations=summary.blocked_operations,
        pending_operations=summary.pending_operations,
        spent_quantiles=_quantiles(share),
        spent_by_tenth=tuple(np.bincount(tenth, minlength=_TENTHS).tolist()),
        operation_quantiles=_quantiles(np.array(operations, dtype=np.float64)),
        operation_limit=policy.operation_limit,
    )


def _quantiles(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    if not values.size:
        return {}
    return {f"{each:g}": float(found) for each, found in zip(_QUANTILES, np.quantile(values, _QUANTILES), strict=True)}
