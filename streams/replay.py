"""Files into the site's raw topic, resumable: what `kelsey replay` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from connectors.fhir_file import FhirFileSource
from connectors.source import Source
from connectors.vaers import VaersSource
from streams.cursor_store import CursorStore
from streams.feed import feed
from streams.raw_writer import RawWriter
from streams.settings import SiteSettings

__all__ = ["FILES_NAME", "VAERS_NAME", "replay_files", "replay_sources"]

VAERS_NAME, FILES_NAME = "vaers", "files"


def replay_sources(files: Sequence[Path]) -> list[Source]:
    """One source for the VAERS archives among `files`, one for the FHIR files; their names are in the case keys."""
    archives = [path for path in files if path.suffix == ".zip"]
    others = [path for path in files if path.suffix != ".zip"]
    sources: list[Source] = []
    if archives:
        sources.append(VaersSource(archives, name=VAERS_NAME))
    if others:
        sources.append(FhirFileSource(others, name=FILES_NAME))
    return sources


def replay_files(
    settings: SiteSettings, files: Sequence[Path], *, on_batch: Callable[[int], None] = lambda _: None
) -> int:
    """Put the records of `files` into the raw topic; returns how many were written now.

    Called again with the same files it goes on where it stopped. `on_batch` is told the size of every batch. Raises
    `ServiceError` where Kafka does not take them.
    """
    cursors = CursorStore(settings.data_directory / "replay.sqlite")
    try:
        with RawWriter(settings) as writer:
            return sum(feed(source, writer, cursors, on_batch=on_batch) for source in replay_sources(files))
    finally:
        cursors.close()
