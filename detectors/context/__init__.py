"""What an officer asks next of a flagged pair: masking, time, listedness, how well its reports are documented."""

from detectors.context.challenge import ChallengeCounts
from detectors.context.completeness import Completeness
from detectors.context.evidence import Aspect, EvidenceScore
from detectors.context.label_list import LabelList, Listing
from detectors.context.masking import Masking, Unmasking
from detectors.context.onset import OnsetComparison
from detectors.context.timeline import Acceleration, Timeline

__all__ = [
    "Acceleration",
    "Aspect",
    "ChallengeCounts",
    "Completeness",
    "EvidenceScore",
    "LabelList",
    "Listing",
    "Masking",
    "OnsetComparison",
    "Timeline",
    "Unmasking",
]
