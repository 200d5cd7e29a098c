"""What may leave a site, and what it costs: wallets, mechanisms, accounting, the budget ledger, releases."""

from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from privacy.wallet import (
    Account,
    CellState,
    Operation,
    Outcome,
    WalletPolicy,
    contribute,
    decode_account,
    encode_account,
)

__all__ = [
    "Account",
    "CellState",
    "EpochCalendar",
    "Operation",
    "Outcome",
    "SurveillanceProtocol",
    "WalletPolicy",
    "contribute",
    "decode_account",
    "encode_account",
]
