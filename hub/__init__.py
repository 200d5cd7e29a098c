"""The hub: verified intake of releases, totals, noise-aware statistics, SDRs and their life, API and subscriptions."""

from hub.embedded import EmbeddedHub
from hub.errors import ReleaseRefused, TransitionRefused, UnknownIdError, WebhookAddressRefused
from hub.evaluation import EpochView, Evaluator, evaluate_epoch
from hub.intake import Receipt, ReceiptStatus, ReleaseIntake
from hub.lifecycle import TRANSITIONS, SdrState
from hub.noisy_totals import NoisyTotals
from hub.pair_state import PairState
from hub.reasons import RefusalReason
from hub.roles import Role
from hub.sdr import PairStatistic, Sdr, SdrTransition
from hub.signals import SignalBook
from hub.statistics import ScoreState, noisy_scores
from hub.store import HubStore

__all__ = [
    "TRANSITIONS",
    "EmbeddedHub",
    "EpochView",
    "Evaluator",
    "HubStore",
    "NoisyTotals",
    "PairState",
    "PairStatistic",
    "Receipt",
    "ReceiptStatus",
    "RefusalReason",
    "ReleaseIntake",
    "ReleaseRefused",
    "Role",
    "ScoreState",
    "Sdr",
    "SdrState",
    "SdrTransition",
    "SignalBook",
    "TransitionRefused",
    "UnknownIdError",
    "WebhookAddressRefused",
    "evaluate_epoch",
    "noisy_scores",
]
