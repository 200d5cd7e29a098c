"""What an officer asks next of a flagged pair: masking, timeline, time to onset."""

from detectors.context.masking import Masking, Unmasking
from detectors.context.onset import OnsetComparison
from detectors.context.timeline import Acceleration, Timeline

__all__ = ["Acceleration", "Masking", "OnsetComparison", "Timeline", "Unmasking"]
