"""FHIR files as a source: single resources, Bundles and NDJSON, plain or gzip; files given together belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cases import ConfigurationError, IntegrityError, RawRecord
from connectors.fhir.context_store import ContextStore
from connectors.fhir.documents import Document, documents
from connectors.fhir.unpacking import Unpacker, context_in
from connectors.source import SourceBatch

__all__ = ["FhirFileSource"]

_SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")


class _Progress(msgspec.Struct, array_like=True):
    """How far one file was handed on; another size or time of change means another file, which starts anew."""

    size_bytes: int
    changed_at: int
    outcomes: int = 0
    is_done: bool = False


class _Cursor(msgspec.Struct):
    files: dict[str, _Progress]
    version: int = 1


def _now() -> datetime:
    return datetime.now(UTC)


class FhirFileSource:
    """AdverseEvents of FHIR files, each with what it refers to in any of the files.

    Parameters
    ----------
    paths
        Files, or folders whose ``.json``, ``.ndjson`` and ``.jsonl`` files (also ``.gz``) are taken by name.
    name
        Name of the source.
    received_at
        The clock; asked once a file.
    batch_records
        Records a batch, at least 1.

    Notes
    -----
    The files are read twice: first for what AdverseEvents may refer to, which is kept in a nameless temporary
    database, then for the AdverseEvents. The cursor names every file, some 60 bytes each; a file that changed since
    is read anew from its start.
    """

    def __init__(
        self,
        paths: Iterable[Path | str],
        *,
        name: str,
        received_at: Callable[[], datetime] = _now,
        batch_records: int = 500,
    ) -> None:
        if not batch_records >= 1:
            raise ConfigurationError(f"batch_records must be at least 1, not {batch_records!r}")
        self._name = name
        self._paths = [Path(path) for path in paths]
        self._received_at = received_at
        self._batch_records = batch_records

    @property
    def name(self) -> str:
        """Name of the source as the site configured it."""
        return self._name

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        """Batches after `after`; new and changed files come too.

        Raises `ConfigurationError` for a path that is not there or cannot be read, `IntegrityError` for a cursor of
        another source.
        """
        files = self._files()
        progress = _resumed(files, after)
        waiting = [file for file in files if not progress[str(file)].is_done]
        if not waiting:
            return
        with ContextStore() as store:
            for file in files:
                for document in _read(file):
                    if not document.fault:
                        for header, body in context_in(document.body):
                            store.put(header, body)
            unpacker = Unpacker(self._name, store.find)
            records: list[RawRecord] = []
            skipped: Counter[str] = Counter()
            for file in waiting:
                state = progress[str(file)]
                for number, outcome in enumerate(self._outcomes(file, unpacker), start=1):
                    if number <= state.outcomes:
                        continue
                    state.outcomes = number
                    if isinstance(outcome, RawRecord):
                        records.append(outcome)
                    else:
                        skipped[str(outcome)] += 1
                    if len(records) == self._batch_records:
                        yield _batch(records, skipped, progress)
                        records, skipped = [], Counter()
                state.is_done = True
            yield _batch(records, skipped, progress)

    def _outcomes(self, file: Path, unpacker: Unpacker) -> Iterator[RawRecord | str]:
        received_at = self._received_at()
        for document in _read(file):
            position = f"{file.name}:{document.number}"
            if document.fault:
                yield unpacker.fault(document.body, document.fault, received_at=received_at, position=position)
            else:
                yield from unpacker.unpack(document.body, received_at=received_at, position=position)

    def _files(self) -> list[Path]:
        found: dict[Path, None] = {}
        for path in self._paths:
            if path.is_dir():
                inside = sorted(file for file in path.iterdir() if file.name.lower().endswith(_SUFFIXES))
                found.update(dict.fromkeys(file for file in inside if file.is_file()))
            elif path.is_file():
                found[path] = None
            else:
                raise ConfigurationError(f"no such file or folder: {path}")
        return list(found)


def _read(file: Path) -> Iterator[Document]:
    try:
        yield from documents(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}", hint="check its permissions") from error


def _batch(records: list[RawRecord], skipped: Counter[str], progress: dict[str, _Progress]) -> SourceBatch:
    cursor = msgspec.json.encode(_Cursor(progress)).decode()
    return SourceBatch(records=tuple(records), skipped=dict(skipped), cursor=cursor)


def _resumed(files: list[Path], after: str | None) -> dict[str, _Progress]:
    known: dict[str, _Progress] = {}
    if after is not None:
        try:
            known = msgspec.json.decode(after, type=_Cursor).files
        except msgspec.DecodeError as error:
            raise IntegrityError("the stored cursor is not one of a FHIR file source") from error
    progress = {}
    for file in files:
        status = file.stat()
        fresh = _Progress(status.st_size, status.st_mtime_ns)
        old = known.get(str(file))
        is_same = old is not None and (old.size_bytes, old.changed_at) == (fresh.size_bytes, fresh.changed_at)
        progress[str(file)] = old if old is not None and is_same else fresh
    return progress
