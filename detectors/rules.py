"""Rules that say which pairs are signals of disproportionate reporting, as data with their source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cases import ConfigurationError, ParameterError

__all__ = ["Condition", "Rule", "load_presets", "parse_rules"]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One threshold: a column that must reach (`at_least`) or exceed (`above`) a value; exactly one is given."""

    column: str
    at_least: float | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.above is None):
            raise ParameterError(f"the condition on {self.column} must have either at_least or above")


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

    def __post_init__(self) -> None:
        if not self.conditions:
            raise ParameterError(f"rule {self.name} must have a condition")

    def flags(self, scores: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Whether each row meets all conditions; a row with an undefined (NaN) value in one of them does not.

        Raises `ParameterError` if `scores` lacks a column that the rule speaks of.
        """
        met: NDArray[np.bool_] | None = None
        for condition in self.conditions:
            if condition.column not in scores:
                raise ParameterError(
                    f"rule {self.name} speaks of a column {condition.column!r}", hint=f"there are {', '.join(scores)}"
                )
            values = np.asarray(scores[condition.column])
            holds = values >= condition.at_least if condition.at_least is not None else values > condition.above
            met = holds if met is None else met & holds
        assert met is not None  # noqa: S101  a rule has a condition
        return met


def parse_rules(text: str) -> dict[str, Rule]:
    """Rules of a TOML text, one table a rule, in its order, by name.

    Raises `ConfigurationError`, naming the rule, for anything that is not a rule.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"rules are not TOML: {error}") from error
    rules = {}
    for name, table in tables.items():
        try:
            rules[name] = msgspec.convert({"name": name, **table}, Rule)
        except (msgspec.ValidationError, TypeError) as error:
            raise ConfigurationError(f"rule {name}: {error}") from error
    return rules


def load_presets() -> dict[str, Rule]:
    """The published rules that come with Kelsey: ``evans``, ``ema``, ``umc``."""
    return parse_rules(files("detectors").joinpath("rule_presets.toml").read_text(encoding="utf-8"))
