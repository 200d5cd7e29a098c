"""How `kelsey site wallet` says what was spent."""

from __future__ import annotations

from kelsey.console import table
from streams.wallet_distribution import WalletDistribution

__all__ = ["wallet_text"]

_BAR = 40


def wallet_text(found: WalletDistribution) -> str:
    """Counts, quantiles, and a bar for every tenth of the wallet."""
    counts = [
        ("patients with a wallet", found.patients),
        ("of them exhausted", found.exhausted),
        ("identities merged into others", found.merged_identities),
        ("operations blocked", found.blocked_operations),
        ("operations pending", found.pending_operations),
    ]
    if not found.patients:
        return table(counts)
    quantiles = [
        (f"{float(each):.0%}", f"{share:.0%}", f"{found.operation_quantiles[each]:.0f} of {found.operation_limit}")
        for each, share in found.spent_quantiles.items()
    ]
    most = max(found.spent_by_tenth)
    bars = [
        (f"{10 * tenth}-{10 * tenth + 10} %", count, "#" * round(_BAR * count / most))
        for tenth, count in enumerate(found.spent_by_tenth)
    ]
    return "\n\n".join(
        (
            table(counts),
            table(quantiles, header=("quantile", "spent", "operations")),
            table(bars, header=("spent", "patients", "")),
        )
    )
