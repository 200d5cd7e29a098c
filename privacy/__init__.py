"""What may leave a site, and what it costs: wallets, mechanisms, accounting, the budget ledger, releases.

strategy_matrix (toeplitz_strategy, factorisation, buffered_toeplitz, dense_factorisation) -> factorisation_artefact
(workload, error_factors; made by optimal_strategy, fitted_buffers) -> chosen_strategy
calendar, cohort, active_cells (packing), table_layout (residual_cells), protocol (chosen_strategy)
-> wallet, patient_wallet -> epoch_vector -> release_spec (accounting) -> trust_mode (gaussian) -> ledger -> release;
secure_sum
"""

from privacy.accounting import delta_from_mu, epsilon_from_mu, mu_from_epsilon_delta
from privacy.active_cells import ActiveCells
from privacy.calendar import EpochCalendar
from privacy.cohort import Cohort
from privacy.epoch_vector import EpochVector
from privacy.factorisation import SquareRootFactorisation
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.gaussian import DiscreteGaussian
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import BudgetSpentError, LedgerEntry, Published, ReleaseState, SealedRelease
from privacy.patient_wallet import PatientOutcome, PatientWallet, charge, decode_wallet, encode_wallet
from privacy.protocol import SurveillanceProtocol
from privacy.release import Release, ReleaseError, ReleaseFault, open_release, peek_site, seal_release
from privacy.release_spec import ReleaseSpec, TableSpec
from privacy.residual_cells import ResidualCells
from privacy.strategy_matrix import StrategyMatrix
from privacy.table_layout import TableLayout
from privacy.trust_mode import PerSite, TrustMode, find_trust_mode
from privacy.wallet import Account, CellState, Operation, Outcome, WalletPolicy, contribute

__all__ = [
    "Account",
    "ActiveCells",
    "BudgetLedger",
    "BudgetSpentError",
    "CellState",
    "Cohort",
    "DiscreteGaussian",
    "EpochCalendar",
    "EpochVector",
    "FactorisationArtefact",
    "LedgerEntry",
    "Operation",
    "Outcome",
    "PatientOutcome",
    "PatientWallet",
    "PerSite",
    "Published",
    "Release",
    "ReleaseError",
    "ReleaseFault",
    "ReleaseSpec",
    "ReleaseState",
    "ResidualCells",
    "SealedRelease",
    "SquareRootFactorisation",
    "StrategyMatrix",
    "SurveillanceProtocol",
    "TableLayout",
    "TableSpec",
    "TrustMode",
    "WalletPolicy",
    "charge",
    "contribute",
    "decode_wallet",
    "delta_from_mu",
    "encode_wallet",
    "epsilon_from_mu",
    "find_trust_mode",
    "mu_from_epsilon_delta",
    "open_release",
    "peek_site",
    "seal_release",
]
