"""The models a partition learns from its cases, and how they outlive the process.

Models are folds over the case log like the counts are: what a snapshot lacks is learned from the log again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec

from cases import Case, CaseVersion, Contribution, IntegrityError, Seriousness
from detectors.drift import ReportingRateDrift
from detectors.online import RateWatch, SourceQuality
from detectors.triage import TriageModel
from streams.store import PartitionStore

__all__ = ["OnlineModels"]

_log = logging.getLogger("kelsey.models")
_NAMES = ("drift", "triage", "pairs", "quality")
_WATCHED_PAIRS = 20_000  # of a partition; about 700 bytes each


class OnlineModels:
    """Drift of products, rates of pairs, data quality of sources and triage of one partition.

    Each case is learned once, when its key is first seen; follow-ups and nullifications change nothing.
    """

    def __init__(self) -> None:
        self.drift = ReportingRateDrift()
        self.triage = TriageModel()
        self.pairs = RateWatch(max_keys=_WATCHED_PAIRS)
        self.quality = SourceQuality()

    def learn(self, case: Case, contribution: Contribution) -> None:
        """Learn one case: rates of its counted drugs and pairs when it was received, its data, its seriousness."""
        for drug in contribution.drugs:
            self.drift.learn_one(drug, case.received_at)
        for pair in contribution.pairs:
            self.pairs.learn_one(pair, case.received_at)
        self.quality.learn_one(case)
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
        """Keep all as of the last case applied."""
        for name in _NAMES:
            store.save_model(name, msgspec.json.encode(getattr(self, name).snapshot()))

    @classmethod
    def load(cls, store: PartitionStore) -> tuple[OnlineModels, int]:
        """The models kept last, and the place in the case log up to which they have learned.

        Untaught models and place 0 where one was not kept, is of another version or damaged, or where they were kept
        at different places: all are then learned from the log again.
        """
        models = cls()
        kept = {name: found for name in _NAMES if (found := store.load_model(name)) is not None}
        places = {place for place, _ in kept.values()}
        if len(kept) < len(_NAMES) or len(places) > 1:
            return models, 0
        try:
            for name, (_, body) in kept.items():
                setattr(models, name, type(getattr(models, name)).restore(msgspec.json.decode(body)))
        except (IntegrityError, msgspec.DecodeError) as error:
            _log.warning("kept models cannot be used (%s); they are learned from the case log again", error)
            return cls(), 0
        return models, places.pop()
