"""How much signal a patient's wallet lets through for the noise it costs: (sum of weights / C) / pairs.

Made-up patients with the totals of the study in `docs/privacy.md`: 1.24 reports a patient, 4.7 pairs a report, popular
names and rare ones. The wallet is the real one, and sees a report at a time. The peers know more, or do less: the
optimum of who knew all of a patient's pairs beforehand, and keeping four pairs of each patient, dropping the rest.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from benchmarks.table import Row
from privacy.wallet import WEIGHT_ONE, Account, WalletPolicy, contribute

__all__ = ["Efficiency", "measure", "run"]

_PATIENTS = 20_000
_REPORTS_A_PATIENT, _DRUGS_A_REPORT, _REACTIONS_A_REPORT = 1.244, 2.0, 2.5  # means of geometric distributions
_DRUGS, _REACTIONS = 500, 1000
_CAP = 4


class Efficiency:
    """Signal per noise of three rules over the same patients.

    Attributes
    ----------
    streaming
        The wallet as it is.
    hindsight
        The same wallet with every pair known beforehand: m pairs, at most M of them, get min(1, C / sqrt(m)) each.
    capped
        Four pairs a patient with weight 1, for a bound of sqrt(4).
    pairs_a_report
        Distinct pairs of all patients, by report.
    """

    def __init__(self) -> None:
        self.streaming = self.hindsight = self.capped = 0.0
        self._pairs = self._reports = 0

    def add(self, reports: list[list[int]], policy: WalletPolicy, salt: bytes) -> None:
        """Count one patient, whose reports hold these cells."""
        account, weight = Account(), 0
        for cells in reports:
            outcome = contribute(account, added=cells, removed=[], policy=policy, salt=salt)
            account = outcome.account
            weight += sum(operation.weight for operation in outcome.operations)
        pairs = len({cell for cells in reports for cell in cells})
        kept = min(pairs, policy.operation_limit)
        self.streaming += weight / WEIGHT_ONE / policy.capacity
        self.hindsight += kept * min(1.0, policy.capacity / sqrt(kept)) / policy.capacity
        self.capped += min(pairs, _CAP) / sqrt(_CAP)
        self._pairs += pairs
        self._reports += len(reports)

    def close(self) -> None:
        """Divide by the pairs; call once, at the end."""
        self.streaming, self.hindsight, self.capped = (
            total / self._pairs for total in (self.streaming, self.hindsight, self.capped)
        )
        self.pairs_a_report = self._pairs / self._reports


def measure(patients: int, *, policy: WalletPolicy, seed: int) -> Efficiency:
    """Play `patients` through the wallet."""
    rng = np.random.default_rng(seed)
    popular = [1 / np.arange(1, names + 1) ** 0.8 for names in (_DRUGS, _REACTIONS)]
    chance = [weights / weights.sum() for weights in popular]
    found = Efficiency()
    for number in range(patients):
        reports = []
        for _ in range(rng.geometric(1 / _REPORTS_A_PATIENT)):
            drugs = set(rng.choice(_DRUGS, size=rng.geometric(1 / _DRUGS_A_REPORT), p=chance[0]).tolist())
            reactions = set(rng.choice(_REACTIONS, size=rng.geometric(1 / _REACTIONS_A_REPORT), p=chance[1]).tolist())
            reports.append([drug * _REACTIONS + reaction for drug in drugs for reaction in reactions])
        found.add(reports, policy, b"patient %d" % number)
    found.close()
    return found


def run() -> list[Row]:
    """The streaming wallet beside the optimum in hindsight, and beside a cap of four pairs."""
    found = measure(_PATIENTS, policy=WalletPolicy(capacity=1.5, operation_limit=16), seed=12)
    what = f"signal per noise of the streaming wallet ({found.pairs_a_report:.2f} pairs a report)"
    peers = (("optimum in hindsight", found.hindsight), (f"{_CAP} pairs a patient", found.capped))
    return [
        Row(
            what=what,
            ours=found.streaming,
            peer=peer,
            peer_value=value,
            unit="",
            ratio=found.streaming / value,
            reach="at least .31",
            met=found.streaming >= 0.31,
        )
        for peer, value in peers
    ]
