"""From a raw record to a case draft: one pure function that knows which reader understands which format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cases import CaseDraft, DeadLetterReason, RawRecord, RecordError
from connectors.fhir.reader import read_adverse_event
from connectors.ignored import Ignored
from connectors.vaers_reader import read_vaers

__all__ = ["Ignored", "read"]

_READERS: Mapping[str, Callable[[RawRecord], CaseDraft]] = {"fhir": read_adverse_event, "vaers": read_vaers}


def read(record: RawRecord) -> CaseDraft:
    """What `record` says, in its own words; a nullified draft (`is_nullified`) takes its case back.

    Pure: the same record gives the same draft. Raises `RecordError` with a `DeadLetterReason` where the record
    should have been a case and cannot be read, and `Ignored` with an `IgnoreReason` where it rightly is none.
    """
    if record.fault:
        raise RecordError(record.fault, record.position)
    reader = _READERS.get(record.format)
    if reader is None:
        raise RecordError(DeadLetterReason.WRONG_RESOURCE_TYPE, f"no reader for the format {record.format!r}")
    return reader(record)
