"""How the patients' wallets stand, as numbers that name nobody."""

from __future__ import annotations

import msgspec

__all__ = ["WalletSummary"]


class WalletSummary(msgspec.Struct, frozen=True, kw_only=True):
    """State of the wallets of a partition or site.

    Parameters
    ----------
    patients
        With a wallet, that is, with at least one pair the protocol watches.
    exhausted
        Of those, how many can pay nothing more in this era.
    blocked_operations
        Contributions and retractions that a wallet did not pay.
    pending_operations
        Paid, and waiting for the end of the epoch.
    """

    patients: int
    exhausted: int
    blocked_operations: int
    pending_operations: int

    def __add__(self, other: WalletSummary) -> WalletSummary:
        """Both together; the patients must be different ones."""
        return WalletSummary(
            patients=self.patients + other.patients,
            exhausted=self.exhausted + other.exhausted,
            blocked_operations=self.blocked_operations + other.blocked_operations,
            pending_operations=self.pending_operations + other.pending_operations,
        )
