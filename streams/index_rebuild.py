"""The intake index again, from the case log alone: for a partition whose local state is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from cases import Case, IntegrityError, decode_case
from streams.case_index import IndexEntry
from streams.topics import record_partition

__all__ = ["read_index"]

_log = logging.getLogger("kelsey.intake")


async def read_index(
    options: Mapping[str, Any], topic: str, wanted: Iterable[int], *, partitions: int
) -> dict[int, dict[str, IndexEntry]]:
    """Index entries of the raw partitions `wanted`, by case key: one pass over the whole case log as it is now.

    A case that moved to another patient stands in two partitions of the log, nullified in one; the newer version
    counts, of two equal ones the live one.
    """
    found: dict[int, dict[str, Case]] = {number: {} for number in wanted}
    consumer = AIOKafkaConsumer(
        **options, enable_auto_commit=False, auto_offset_reset="earliest", client_id="kelsey-index"
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        open_places = {place for place in places if await consumer.position(place) < ends[place]}
        while open_places:
            for batch in (await consumer.getmany(timeout_ms=1000, max_records=5000)).values():
                for message in batch:
                    _keep(found, message.value, partitions)
            open_places = {place for place in open_places if await consumer.position(place) < ends[place]}
    finally:
        await consumer.stop()
    count = sum(map(len, found.values()))
    _log.info("index of partitions %s read from the case log: %d cases", sorted(found), count)
    return {number: {key: IndexEntry.of(case) for key, case in cases.items()} for number, cases in found.items()}


def _keep(found: dict[int, dict[str, Case]], value: bytes, partitions: int) -> None:
    try:
        case = decode_case(value)
    except (IntegrityError, ValueError):
        return  # the casebook says so
    cases = found.get(record_partition(case.source, case.case_id, partitions=partitions))
    if cases is None:
        return
    known = cases.get(str(case.key))
    if known is None or (case.version, not case.is_nullified) > (known.version, not known.is_nullified):
        cases[str(case.key)] = case
