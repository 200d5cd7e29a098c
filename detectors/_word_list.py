"""The word list of narrative reading (`narrative_words.toml`), checked and compiled."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec

from cases import ConfigurationError
from detectors._context import Action
from detectors._wording import fold

__all__ = ["WordList"]

_MARKS = ("affirmed", "negated", "hypothetical", "historical", "indication", "suspect", "concomitant")
_SENTENCE_ENDS = (".", "!", "?", ";", "...", "?!", "!!", "??")


@dataclass(frozen=True, slots=True)
class WordList:
    """Actions by folded phrase, forward scope by mark in tokens, and phrases by cue."""

    actions: Mapping[str, Action]
    scopes: Mapping[str, int]
    cues: Mapping[str, tuple[str, ...]]

    @classmethod
    def load(cls) -> WordList:
        """The list that ships with Kelsey."""
        return cls.parse(files("detectors").joinpath("narrative_words.toml").read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, text: str) -> WordList:
        """A list in TOML; raises `ConfigurationError` for an unknown section or a scope that is not at least 1."""
        document: dict[str, Any] = tomllib.loads(text)
        if unknown := set(document) - {"version", "pseudo", "ends", "cues", *_MARKS}:
            raise ConfigurationError(f"word list: unknown section {sorted(unknown)[0]!r}")
        does: dict[str, dict[str, tuple[str, ...]]] = {}

        def add(phrase: str, what: str, mark: str) -> None:
            entry = does.setdefault(fold(phrase).lower(), {})
            entry[what] = (*entry.get(what, ()), mark)

        for mark in _MARKS:
            section = document[mark]
            if not section["scope"] >= 1:
                raise ConfigurationError(f"word list: scope of {mark} must be at least 1, not {section['scope']!r}")
            for what in ("forward", "either", "backward"):
                for phrase in section.get(what, ()):
                    add(phrase, what, mark)
        for which, phrases in document["ends"].items():
            for phrase in phrases:
                for mark in _MARKS if which == "all" else (which,):
                    add(phrase, "ends", mark)
        actions = {phrase: msgspec.convert(entry, Action) for phrase, entry in does.items()}
        for phrase in document["pseudo"]["phrases"]:
            actions[fold(phrase).lower()] = Action()
        actions |= {end: Action(is_break=True) for end in _SENTENCE_ENDS}
        actions[","] = Action(is_comma=True)
        return cls(
            actions=actions,
            scopes={mark: document[mark]["scope"] for mark in _MARKS},
            cues={cue: tuple(phrases) for cue, phrases in document["cues"].items()},
        )
