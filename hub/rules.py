"""Which noisy pairs are SDRs: the rules a protocol names, in the form that is safe on noisy counts.

A published rule applied to noisy counts as if they were counts raises more than 100,000 false SDRs in 500,000 null
pairs. Here every published threshold must be passed by the *lower bound* of its measure, and the score test must
hold as well; but for thresholds on EB05, which is a lower bound that allows for the number of pairs by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.resources import files

import msgspec

from cases import ConfigurationError
from detectors.rules import STANDARD_RULES, Condition, Rule, load_presets, parse_rules
from privacy.protocol import SurveillanceProtocol

__all__ = [
    "DEFAULT_RULES",
    "DISCOVERY_RULE",
    "ERA_DISCOVERY_RULE",
    "SCORE_RULE",
    "load_noise_aware_rules",
    "rules_named",
    "rules_of",
]

SCORE_RULE = "noise-aware-z"
DISCOVERY_RULE = "noise-aware-fdr"
ERA_DISCOVERY_RULE = "noise-aware-fdr-era"
DEFAULT_RULES = (DISCOVERY_RULE, SCORE_RULE, *STANDARD_RULES)
"""Of a protocol that names no other, of the demonstration and of back-tests."""
_PREFIX = "noise-aware-"

# What a published rule's column becomes. A chi-square of one degree of freedom is the square of a normal score.
_NOISY_OF = {
    "n": "n_lower", "prr": "prr_lower", "ror": "ror_lower", "ic": "ic_lower", "chi2": "z_tail",
    "prr_lower": "prr_lower", "ror_lower": "ror_lower", "ic_lower": "ic_lower", "ebgm": "ebgm", "eb05": "eb05",
}  # fmt: skip
_NOISY_COLUMNS = {*_NOISY_OF.values(), "rrr_lower", "q_value", "q_value_era"}


def load_noise_aware_rules() -> dict[str, Rule]:
    """All rules the hub knows, by name.

    ``noise-aware-z``, ``noise-aware-fdr`` and ``noise-aware-fdr-era`` are the hub's own; there is a
    ``noise-aware-<preset>`` for every published preset.
    """
    text = files("hub").joinpath("noise_aware_rules.toml").read_text(encoding="utf-8")
    rules = parse_rules(text, columns=_NOISY_COLUMNS)
    floor = rules[SCORE_RULE].conditions
    for preset in load_presets().values():
        before = () if any(condition.column == "eb05" for condition in preset.conditions) else floor
        rules[_PREFIX + preset.name] = msgspec.structs.replace(
            preset,
            name=_PREFIX + preset.name,
            title=f"{preset.title}, on noise-aware lower bounds",
            conditions=(*before, *(_on_lower_bound(condition) for condition in preset.conditions)),
        )
    return rules


def rules_of(protocol: SurveillanceProtocol) -> tuple[Rule, ...]:
    """The rules a protocol names; raises as `rules_named`."""
    return rules_named(protocol.rules)


def rules_named(names: Iterable[str]) -> tuple[Rule, ...]:
    """Rules in the order of their names, each once; ``evans`` means ``noise-aware-evans``.

    Raises `ConfigurationError`, listing the known names, for one the hub does not know.
    """
    known = load_noise_aware_rules()
    chosen = {}
    for name in names:
        rule = known.get(name) or known.get(_PREFIX + name)
        if rule is None:
            raise ConfigurationError(
                f"the protocol names a rule {name!r} that this hub does not know", hint=f"known: {', '.join(known)}"
            )
        chosen[rule.name] = rule
    return tuple(chosen.values())


def _on_lower_bound(condition: Condition) -> Condition:
    if condition.column == "chi2":
        return Condition(
            column="z_tail",
            at_least=None if condition.at_least is None else math.sqrt(condition.at_least),
            above=None if condition.above is None else math.sqrt(condition.above),
        )
    return msgspec.structs.replace(condition, column=_NOISY_OF[condition.column])
