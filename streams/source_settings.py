"""What a site is told of the sources it reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from cases import ConfigurationError

__all__ = ["SourceSettings", "check_sources"]


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``[[source]]``: `name` is part of every case key and must never change."""

    name: str
    type: Literal["fhir-server", "fhir-files", "vaers"]
    url: str = ""
    paths: tuple[str, ...] = ()
    poll_seconds: float = 30.0
    token_file: str = ""


def check_sources(path: Path, sources: Sequence[SourceSettings]) -> None:
    """Raise `ConfigurationError`, naming the source, where one lacks what its type needs, or a name stands twice."""
    names = [source.name for source in sources]
    if len(set(names)) != len(names) or not all(names):
        raise ConfigurationError(f"{path}: every [[source]] needs a name of its own")
    for source in sources:
        if source.type == "fhir-server" and not source.url:
            raise ConfigurationError(f"{path}: source {source.name} needs url")
        if source.type != "fhir-server" and not source.paths:
            raise ConfigurationError(f"{path}: source {source.name} needs paths")
        if not source.poll_seconds > 0:
            raise ConfigurationError(f"{path}: source {source.name}: poll_seconds must be above 0")
