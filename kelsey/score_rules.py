"""Rules by the name of a preset or from a file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cases import ConfigurationError, ParameterError
from detectors.rules import Rule, load_presets, parse_rules
from kelsey.score_input import unknown_name

__all__ = ["chosen_rules"]


def _file_rules(path: str, presets: dict[str, Rule]) -> dict[str, Rule]:
    try:
        rules = parse_rules(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"{path}: cannot be read as UTF-8 TOML") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}", hint=error.hint) from error
    for name in rules:
        if name in presets:
            raise ConfigurationError(
                f"{path}: rule {name} has the name of a published preset", hint="give it another name"
            )
    return rules


def chosen_rules(names: Sequence[str]) -> dict[str, Rule]:
    """Rules by name, in the order given; what ends in ``.toml`` is a file, all of whose rules are meant.

    Raises `ParameterError` for an unknown name, a file that cannot be read, or two files with a rule of one name;
    `ConfigurationError`, naming file, rule and key, where a file holds no rules or one that has a preset's name.
    """
    presets = load_presets()
    chosen: dict[str, Rule] = {}
    for name in names:
        if name.endswith(".toml"):
            rules = _file_rules(name, presets)
        elif name in presets:
            rules = {name: presets[name]}
        else:
            hint = unknown_name(name, presets) or f"there are {', '.join(presets)}; a file must end in .toml"
            raise ParameterError(f"there is no rule {name!r}", hint=hint)
        for double in chosen.keys() & rules.keys():
            if chosen[double] != rules[double]:
                raise ParameterError(f"{name}: rule {double} is another in an earlier file", hint="rename one of them")
        chosen |= rules
    return chosen
