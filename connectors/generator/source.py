"""The play as a source: one hospital's records, as a site would receive them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice

from cases import IntegrityError, RawRecord
from connectors.generator.hospital import HOSPITALS, Hospital, HospitalGenerator, PlayedRecord
from connectors.source import SourceBatch

__all__ = ["GeneratorSource"]


class GeneratorSource:
    """Records of one generated hospital by time of arrival, which is their `received_at`.

    Parameters
    ----------
    seed, hospitals, months, records, start
        As `HospitalGenerator` takes them.
    name
        Name of the source.
    hospital
        Which hospital; the first by default.
    batch_records
        Records a batch.
    """

    def __init__(
        self,
        seed: int,
        *,
        name: str = "generator",
        hospital: str = "",
        hospitals: tuple[Hospital, ...] = HOSPITALS,
        months: int = 12,
        records: int = 20_000,
        start: date = date(2025, 1, 1),
        batch_records: int = 500,
    ) -> None:
        self._name = name
        self._generator = HospitalGenerator(seed=seed, hospitals=hospitals, months=months, records=records, start=start)
        self._hospital = hospital or hospitals[0].name
        self._batch_records = batch_records

    @property
    def name(self) -> str:
        """Name of the source as the site configured it."""
        return self._name

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        """Batches after `after`, which counts records; raises `IntegrityError` for a cursor of another source."""
        if after is not None and not after.isdecimal():
            raise IntegrityError("the stored cursor is not one of a generator source")
        done = int(after or 0)
        played = islice(self._generator.play(self._hospital), done, None)
        while records := tuple(self.record(record) for record in islice(played, self._batch_records)):
            done += len(records)
            yield SourceBatch(records=records, skipped={}, cursor=str(done))

    def record(self, played: PlayedRecord) -> RawRecord:
        """A played record as this source hands it on."""
        return RawRecord(
            source=self._name,
            record_id=played.record_id,
            format="fhir",
            payload=played.payload,
            received_at=played.at,
            is_deleted=played.is_deleted,
            version_id=played.version_id,
            updated_at=played.at if played.is_deleted else None,
        )
