"""FHIR files to canonical cases and dead letters, by the same functions that run at a site."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from cases import ConfigurationError, Vocabulary, encode_case, encode_dead_letter
from cases.pseudonym import MINIMUM_KEY_BYTES
from connectors import default_vocabulary
from connectors.fhir_file import FhirFileSource
from kelsey.console import table
from kelsey.ingest_words import ingest_rows
from streams.embedded import EmbeddedSite
from streams.ingest_tally import IngestTally

__all__ = ["SOURCE_NAME", "IntakeReport", "load_vocabulary", "take_in"]

SOURCE_NAME = "files"


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """Where every record that was read has gone."""

    tally: IngestTally

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        document: dict[str, Any] = msgspec.to_builtins(self.tally)
        return document

    def text(self) -> str:
        """The table that adds up: read = cases + superseded + ignored + dead letters."""
        (_, read), *parts = ingest_rows(self.as_dict())
        return table(
            [("read", read), *((f"{'+' if at else '='} {what}", count) for at, (what, count) in enumerate(parts))]
        )


def load_vocabulary(path: Path | None) -> Vocabulary:
    """The user's table, or the one that ships. Raises `ConfigurationError` where the file is not a vocabulary."""
    if path is None:
        return default_vocabulary()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text") from error
    return Vocabulary.from_csv(text, name=path.stem)


def take_in(
    files: Sequence[Path],
    *,
    out: Path,
    dead_letters: Path,
    vocabulary_file: Path | None = None,
    key_file: Path | None = None,
    read_narratives: bool = False,
) -> IntakeReport:
    """Read `files` (which resolve each other's references), write cases and dead letters, one JSON object a line.

    Without `key_file` a key is drawn and forgotten. Raises `ConfigurationError` for a short key or a vocabulary that
    is none, `IntegrityError` should a record be unaccounted for.
    """
    key = os.urandom(MINIMUM_KEY_BYTES) if key_file is None else key_file.read_bytes()
    if not len(key) >= MINIMUM_KEY_BYTES:
        raise ConfigurationError(f"{key_file} must hold at least {MINIMUM_KEY_BYTES} bytes, not {len(key)}")
    site = EmbeddedSite(
        site_id=SOURCE_NAME,
        vocabulary=load_vocabulary(vocabulary_file),
        protocol=None,
        pseudonym_key=key,
        signing_key=None,
        directory=None,
        read_narratives=read_narratives,
    )
    source = FhirFileSource(files, name=SOURCE_NAME, received_at=lambda: datetime.now(UTC))
    for batch in source.batches(None):
        site.take(batch.records)
        site.count_skipped(batch.skipped)
    site.tally.check()
    with out.open("wb") as file:
        for case in site.cases():
            file.write(encode_case(case) + b"\n")
    with dead_letters.open("wb") as file:
        for letter in site.dead_letters():
            file.write(encode_dead_letter(letter) + b"\n")
    return IntakeReport(site.tally)
