"""Rules by the name of a preset or from a file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cases import ConfigurationError, ParameterError
from detectors.rules import Rule, load_presets, parse_rules
from kelsey.score_input import unknown_name

__all__ = ["chosen_rules"]


def chosen_rules(names: Sequence[str]) -> dict[str, Rule]:
    """Rules by name, in the order given; what ends in ``.toml`` is a file, all of whose rules are meant.

    Raises `ParameterError` for an unknown name or a file that cannot be read, `ConfigurationError`, naming the file,
    where it holds no rules.
    """
    presets = load_presets()
    chosen: dict[str, Rule] = {}
    for name in names:
        if name.endswith(".toml"):
            try:
                chosen |= parse_rules(Path(name).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise ParameterError(f"{name}: cannot be read as UTF-8 TOML") from error
            except ConfigurationError as error:
                raise ConfigurationError(f"{name}: {error.message}", hint=error.hint) from error
        elif name in presets:
            chosen[name] = presets[name]
        else:
            hint = unknown_name(name, presets) or f"there are {', '.join(presets)}; a file must end in .toml"
            raise ParameterError(f"there is no rule {name!r}", hint=hint)
    return chosen
