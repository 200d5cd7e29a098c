"""The models a partition learns from its cases, and how they outlive the process.

Models are folds over the case log like the counts are: what a snapshot lacks is learned from the log again.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from cases import Case, CaseVersion, Contribution, Seriousness
from detectors.drift import ReportingRateDrift
from detectors.triage import TriageModel
from streams.store import PartitionStore

__all__ = ["OnlineModels"]


class OnlineModels:
    """Drift of reporting rates and triage of one partition.

    Each case is learned once, when its key is first seen; follow-ups and nullifications change nothing.
    """

    def __init__(self) -> None:
        self.drift = ReportingRateDrift()
        self.triage = TriageModel()

    def learn(self, case: Case, contribution: Contribution) -> None:
        """Learn one case: its counted drugs' rates at the time it was received, and whether it is serious."""
        for drug in contribution.drugs:
            self.drift.learn_one(drug, case.received_at)
        self.triage.learn_one(case)

    @classmethod
    def warm_up(cls) -> None:
        """Learn one made-up case and forget it: River imports half of SciPy with its first one, some seconds long."""
        at = datetime(2000, 1, 1, tzinfo=UTC)
        case = Case(
            source="warm-up",
            case_id="1",
            version=CaseVersion(at),
            patient="nobody",
            received_at=at,
            seriousness=Seriousness(is_serious=True),
        )
        cls().learn(case, Contribution(("drug",), ("reaction",)))

    def save(self, store: PartitionStore) -> None:
        """Keep both as of the last case applied."""
        store.save_model("drift", msgspec.json.encode(self.drift.snapshot()))
        store.save_model("triage", msgspec.json.encode(self.triage.snapshot()))

    @classmethod
    def load(cls, store: PartitionStore) -> tuple[OnlineModels, int]:
        """The models kept last, and the place in the case log up to which they have learned (0: nothing)."""
        models = cls()
        drift, triage = store.load_model("drift"), store.load_model("triage")
        if drift is None or triage is None or drift[0] != triage[0]:
            return models, 0
        models.drift = ReportingRateDrift.restore(msgspec.json.decode(drift[1]))
        models.triage = TriageModel.restore(msgspec.json.decode(triage[1]))
        return models, drift[0]
