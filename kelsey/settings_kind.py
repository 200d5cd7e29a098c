"""Whose settings a file holds: a site's, the hub's or an aggregator's."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from cases import ConfigurationError

__all__ = ["settings_kind"]


def settings_kind(config: Path) -> Literal["site", "hub", "aggregator"]:
    """By the table that only it has, ``[site]`` or ``[aggregator]``; else the hub's.

    Raises `ConfigurationError` where the file is not TOML.
    """
    try:
        sections = tomllib.loads(config.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{config}: not TOML: {error}") from error
    if isinstance(sections.get("site"), dict):
        return "site"
    return "aggregator" if isinstance(sections.get("aggregator"), dict) else "hub"
