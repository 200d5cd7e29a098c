"""One Prometheus alert, with everything the person it wakes needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["AlertRule"]

_RUNBOOKS = "docs/runbooks.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """When to call somebody, and what to tell them.

    Parameters
    ----------
    name
        CamelCase, begins with `Kelsey`; its lower case is the anchor of its section in docs/runbooks.md.
    expr
        PromQL; every series it returns is one alert.
    hold
        How long the expression must hold before the alert fires, as Prometheus writes durations (`15m`).
    severity
        `critical` for what loses data, privacy or the next release if nobody acts today; else `warning`.
    summary
        One line; may use Prometheus' `{{ $labels.x }}` and `{{ $value }}`.
    description
        What it means for the site or the hub, and the first thing to look at.
    """

    name: str
    expr: str
    hold: str
    severity: Literal["warning", "critical"]
    summary: str
    description: str

    def to_json(self) -> dict[str, object]:
        """Give the rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": re.sub(r"\s+", " ", self.expr).strip(),
            "for": self.hold,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": re.sub(r"\s+", " ", self.description).strip(),
                "runbook_url": f"{_RUNBOOKS}#{self.name.lower()}",
            },
        }
