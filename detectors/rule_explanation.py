"""A rule in plain words: for an officer who wants to know what flagged a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detectors.rule_columns import RULE_COLUMNS
from detectors.rules import Condition, Rule

__all__ = ["RuleExplanation"]

_WORDS = {"at_least": "is at least", "above": "is above", "at_most": "is at most", "below": "is below"}
_OF_EVERY_RULE = (
    "A pair with an undefined value in one of the columns is not flagged; that is not evidence of safety.",
    "A flagged pair is a signal of disproportionate reporting; only a person makes it a signal.",
)


def _sentence(condition: Condition) -> str:
    what = RULE_COLUMNS.get(condition.column, condition.column)
    return f"The {what} {_WORDS[condition.relation]} {condition.threshold:g} (column {condition.column})."


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExplanation:
    """What a rule asks for, where it comes from, and what it does not say, one sentence each.

    Parameters
    ----------
    rule
        The rule that is explained.
    conditions
        All of them must hold.
    limits
        Those that the rule's own data state, then those of every rule.

    Examples
    --------
    >>> from detectors.rules import load_presets
    >>> RuleExplanation.of(load_presets()["fda"]).conditions
    ('The 5 % quantile of the shrunken ratio (EB05) is at least 2 (column eb05).',)
    """

    rule: Rule
    conditions: tuple[str, ...]
    limits: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule) -> RuleExplanation:
        """The words of a rule."""
        return cls(
            rule=rule,
            conditions=tuple(_sentence(condition) for condition in rule.conditions),
            limits=(*rule.limits, *_OF_EVERY_RULE),
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values, thresholds as numbers beside their words."""
        conditions = [
            {"column": item.column, "relation": item.relation, "threshold": item.threshold, "words": words}
            for item, words in zip(self.rule.conditions, self.conditions, strict=True)
        ]
        return {
            "name": self.rule.name,
            "title": self.rule.title,
            "conditions": conditions,
            "source": self.rule.source,
            "source_date": self.rule.source_date.isoformat(),
            "limits": list(self.limits),
        }

    def __str__(self) -> str:
        heading = "Flags a pair if all of these hold:" if len(self.conditions) > 1 else "Flags a pair if this holds:"
        return "\n".join(
            [
                f"{self.rule.name}: {self.rule.title}",
                heading,
                *(f"  - {sentence}" for sentence in self.conditions),
                f"Source: {self.rule.source}",
                f"Date of the source: {self.rule.source_date.isoformat()}",
                "What the rule does not say:",
                *(f"  - {sentence}" for sentence in self.limits),
            ]
        )
