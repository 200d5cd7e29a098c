"""What `kelsey site topics` reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kelsey.console import table
from streams.settings import load_site_settings
from streams.topics import TopicState, check_topics, create_topics

__all__ = ["TopicReport", "topic_report"]


@dataclass(frozen=True, slots=True)
class TopicReport:
    """The site's topics as they are now."""

    states: Sequence[TopicState]

    @property
    def is_ok(self) -> bool:
        """Whether every topic is there and as it should be."""
        return all(state.is_present and not state.faults for state in self.states)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {"is_ok": self.is_ok, "topics": [msgspec.to_builtins(state) for state in self.states]}

    def text(self) -> str:
        """One line a topic."""
        return table([(state.name, _state(state)) for state in self.states])


def _state(state: TopicState) -> str:
    if not state.is_present:
        return "MISSING"
    if state.faults:
        return "DIFFERS: " + "; ".join(state.faults)
    return "created" if state.is_created else "ok"


def topic_report(config: Path, *, change: bool) -> TopicReport:
    """Create what is missing (`change`) and check all. Raises `ServiceError` where Kafka does not answer."""
    settings = load_site_settings(config)
    return TopicReport(create_topics(settings) if change else check_topics(settings))
