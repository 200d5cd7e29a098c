"""Studies of whether the statistics are right about the world: false alarms, known reactions, reference sets."""

from benchmarks.validity.study import Table

__all__ = ["Table"]
