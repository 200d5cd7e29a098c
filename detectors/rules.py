"""Rules that say which pairs are signals of disproportionate reporting, as data with their source."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cases import ConfigurationError, ParameterError, UnknownTermError
from detectors.rule_columns import RULE_COLUMNS

__all__ = ["STANDARD_RULES", "Condition", "Rule", "load_presets", "parse_rules"]

STANDARD_RULES = ("evans", "ema", "umc")
"""Presets of the replay, the local view and a protocol that names no other: one each for PRR, its limit and the IC."""

_RELATIONS = {"at_least": np.greater_equal, "above": np.greater, "at_most": np.less_equal, "below": np.less}


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One threshold on a column: at_least (>=), above (>), at_most (<=) or below (<); exactly one is given, finite."""

    column: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        given = [value for name in _RELATIONS if (value := getattr(self, name)) is not None]
        if len(given) != 1:
            raise ParameterError(
                f"the condition on {self.column} must have either at_least or above, or one of at_most and below"
            )
        if not math.isfinite(given[0]):
            raise ParameterError(f"the threshold on {self.column} must be finite, not {given[0]!r}")

    @property
    def relation(self) -> str:
        """Which of the four is given."""
        return next(name for name in _RELATIONS if getattr(self, name) is not None)

    @property
    def threshold(self) -> float:
        """Its value."""
        value: float = getattr(self, self.relation)
        return value

    def holds(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each value meets it; NaN does not."""
        met: NDArray[np.bool_] = _RELATIONS[self.relation](values, self.threshold)
        return met


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named set of conditions that must all hold.

    Parameters
    ----------
    name
        Short stable name, e.g. ``"evans"``: the column of its flags, and what an SDR is recorded under.
    title, source
        What it is called and where it is published.
    source_date
        When the source was published.
    conditions
        At least one.
    limits
        What the rule does not say, one sentence each.

    Examples
    --------
    >>> rule = load_presets()["evans"]
    >>> rule.flags({"prr": np.array([2.0, 9.0]), "chi2": np.array([4.0, 50.0]), "n": np.array([3, 2])})
    array([ True, False])
    """

    name: str
    title: str
    source: str
    source_date: date
    conditions: tuple[Condition, ...]
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", self.name):
            raise ParameterError(
                f"the name of a rule must be a letter, then letters, digits, _ or -, not {self.name!r}"
            )
        if not self.conditions:
            raise ParameterError(f"rule {self.name} must have a condition")
        for key in ("title", "source"):
            if not getattr(self, key).strip():
                raise ParameterError(f"{key} must not be empty")

    def flags(self, scores: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Whether each row meets all conditions; a row with an undefined (NaN) value in one of them does not.

        Raises `ParameterError` if `scores` lacks a column that the rule speaks of.
        """
        for condition in self.conditions:
            if condition.column not in scores:
                raise ParameterError(
                    f"rule {self.name} speaks of a column {condition.column!r}", hint=f"there are {', '.join(scores)}"
                )
        met = [condition.holds(np.asarray(scores[condition.column])) for condition in self.conditions]
        flagged: NDArray[np.bool_] = np.logical_and.reduce(met)
        return flagged


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _parse(name: str, table: Any, columns: Collection[str]) -> Rule:
    """One rule; raises `ConfigurationError`, naming rule and key."""
    if name in columns:
        raise ConfigurationError(f"rule {name} has the name of a column", hint="give it another name")
    if isinstance(table, Mapping) and "name" in table:
        raise ConfigurationError(f"rule {name}: unknown key 'name'", hint="the name of the table is that of the rule")
    try:
        rule = msgspec.convert({"name": name, **table}, Rule)
    except (msgspec.ValidationError, TypeError) as error:
        unknown = re.search(r"unknown field `(\w+)`", str(error))
        known = Condition.__struct_fields__ if "conditions" in str(error) else Rule.__struct_fields__[1:]
        hint = _nearest(unknown[1], known) if unknown else ""
        raise ConfigurationError(f"rule {name}: {error}", hint=hint) from error
    for position, condition in enumerate(rule.conditions):
        if condition.column not in columns:
            raise ConfigurationError(
                f"rule {name}: conditions[{position}].column {condition.column!r} is no column of scores",
                hint=_nearest(condition.column, columns),
            )
    return rule


def parse_rules(text: str, *, columns: Collection[str] = RULE_COLUMNS.keys()) -> dict[str, Rule]:
    """Rules of a TOML text, one table a rule, in its order, by name; `columns` are those a condition may speak of.

    Raises `ConfigurationError` for anything that is not a rule: it names the rule and the key, and for an unknown
    column or key the nearest known one; also where the text holds no rule at all.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"rules are not TOML: {error}") from error
    if not tables:
        raise ConfigurationError("there is no rule", hint="one table a rule, e.g. [mine]")
    return {name: _parse(name, table, columns) for name, table in tables.items()}


def load_presets(names: Sequence[str] | None = None) -> dict[str, Rule]:
    """The published rules that come with Kelsey, by name; all of them, or those of `names` in that order.

    They are evans, ema, evdas, evdas_monitored, umc, mhra and fda (docs/rules.md). Raises `UnknownTermError`, naming
    the nearest, for another name.
    """
    presets = parse_rules(files("detectors").joinpath("rule_presets.toml").read_text(encoding="utf-8"))
    for name in names or ():
        if name not in presets:
            raise UnknownTermError(f"there is no preset rule {name!r}", hint=_nearest(name, presets))
    return presets if names is None else {name: presets[name] for name in names}
