"""The site's Kafka topics, as one table in code, and the tool that makes and checks them.

    raw          record key          what sources gave, in chunks                       patient data
    dead-letters record key          records that could not become cases                patient data
    cases        case key            newest version of every case, compacted: the truth pseudonyms
    epoch-parts  partition number    sealed sums of wallet operations for the gate      no persons

Raw is partitioned by record, so that one intake sees all versions of a record in order; cases by patient, so that one
casebook sees all cases of a patient.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

import msgspec
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from cases import Case, CaseKey, ServiceError
from streams.kafka_connection import client_options
from streams.settings import KafkaSettings, SiteSettings

__all__ = [
    "MAXIMUM_MESSAGE_BYTES",
    "TOPICS",
    "Topic",
    "TopicRole",
    "TopicState",
    "case_partition",
    "check_topics",
    "create_topics",
    "patient_partition",
    "record_partition",
    "topic_name",
]

MAXIMUM_MESSAGE_BYTES = 16 * 1024 * 1024
_DAY_MS = 24 * 60 * 60 * 1000


class TopicRole(StrEnum):
    """What a topic is for; its name is the prefix and this."""

    RAW = "raw"
    CASES = "cases"
    DEAD_LETTERS = "dead-letters"
    EPOCH_PARTS = "epoch-parts"


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table.

    Parameters
    ----------
    key
        What the message key is.
    partitioned_by
        What decides the partition.
    has_patient_data
        Whether records as the source gave them are in it: short retention, access for the site's own workers only.
    partitions
        0: as many as `KafkaSettings.partitions`.
    configuration
        Topic configuration beyond the broker's defaults.
    """

    role: TopicRole
    key: str
    partitioned_by: str
    has_patient_data: bool
    partitions: int
    configuration: dict[str, str]

    def name(self, settings: KafkaSettings) -> str:
        """Full name at a site."""
        return f"{settings.prefix}{self.role.value}"

    def partition_count(self, settings: KafkaSettings) -> int:
        """Number of partitions at a site."""
        return self.partitions or settings.partitions


TOPICS = (
    Topic(
        role=TopicRole.RAW,
        key="source/record id of the first record",
        partitioned_by="record",
        has_patient_data=True,
        partitions=0,
        configuration={
            "cleanup.policy": "delete",
            "retention.ms": str(7 * _DAY_MS),
            "max.message.bytes": str(MAXIMUM_MESSAGE_BYTES),
        },
    ),
    Topic(
        role=TopicRole.CASES,
        key="source/case id",
        partitioned_by="patient pseudonym",
        has_patient_data=False,
        partitions=0,
        configuration={"cleanup.policy": "compact", "retention.ms": "-1", "max.message.bytes": str(1024 * 1024)},
    ),
    Topic(
        role=TopicRole.DEAD_LETTERS,
        key="source/record id",
        partitioned_by="record",
        has_patient_data=True,
        partitions=0,
        configuration={
            "cleanup.policy": "delete",
            "retention.ms": str(30 * _DAY_MS),
            "max.message.bytes": str(MAXIMUM_MESSAGE_BYTES),
        },
    ),
    Topic(
        role=TopicRole.EPOCH_PARTS,
        key="casebook partition",
        partitioned_by="nothing",
        has_patient_data=False,
        partitions=1,
        configuration={
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "max.message.bytes": str(MAXIMUM_MESSAGE_BYTES),
        },
    ),
)


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, or done, for one topic; `faults` is empty where the topic is as it should be."""

    name: str
    is_present: bool
    is_created: bool = False
    faults: tuple[str, ...] = ()


def topic_name(settings: KafkaSettings, role: TopicRole) -> str:
    """Full name of a topic at a site."""
    return f"{settings.prefix}{role.value}"


def record_partition(source: str, record_id: str, *, partitions: int) -> int:
    """Partition of raw and dead-letter messages: the same for all versions of a record."""
    return zlib.crc32(str(CaseKey(source, record_id)).encode()) % partitions


def case_partition(case: Case, *, partitions: int) -> int:
    """Partition of the case log: the same for all cases of a patient."""
    return patient_partition(case.patient, partitions=partitions)


def patient_partition(patient: str, *, partitions: int) -> int:
    """Partition that holds a pseudonym's cases, and its wallet."""
    return zlib.crc32(patient.encode()) % partitions


def create_topics(settings: SiteSettings) -> list[TopicState]:
    """Make the topics that are missing, then check all of them.

    Never changes one that is there. Raises `ServiceError` where Kafka does not answer or does not allow it.
    """
    kafka = settings.require_kafka()
    with _admin(settings) as admin:
        present = set(admin.list_topics())
        missing = {topic.name(kafka): topic for topic in TOPICS if topic.name(kafka) not in present}
        if missing:
            # another start of the same tool may be faster: what is there in the end is checked below
            with suppress(TopicAlreadyExistsError):
                admin.create_topics(
                    {
                        name: {
                            "num_partitions": topic.partition_count(kafka),
                            "replication_factor": kafka.replication,
                            "configs": topic.configuration,
                        }
                        for name, topic in missing.items()
                    },
                    wait_for_metadata=True,
                )
        states = _check(admin, kafka)
    return [msgspec.structs.replace(state, is_created=state.name in missing) for state in states]


def check_topics(settings: SiteSettings) -> list[TopicState]:
    """Compare the topics there are with the table. Raises `ServiceError` where Kafka does not answer."""
    with _admin(settings) as admin:
        return _check(admin, settings.require_kafka())


@contextmanager
def _admin(settings: SiteSettings) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(client_id="kelsey-topics", **client_options(settings))
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise ServiceError(
            f"Kafka at {settings.require_kafka().bootstrap} refused: {type(error).__name__}",
            hint="check bootstrap, that the broker runs, and the user's permissions",
        ) from error


def _check(admin: KafkaAdminClient, kafka: KafkaSettings) -> list[TopicState]:
    present = set(admin.list_topics())
    wanted = {topic.name(kafka): topic for topic in TOPICS}
    names = [name for name in wanted if name in present]
    found = {entry["name"]: len(entry["partitions"]) for entry in (admin.describe_topics(names) if names else ())}
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(wanted[name].configuration)) for name in names
    ]
    described = admin.describe_configs(resources, config_filter="all") if resources else {}
    configurations = (
        {name: {key: data["value"] for key, data in entries.items()} for name, entries in described["topic"].items()}
        if described
        else {}
    )
    states = []
    for name, topic in wanted.items():
        if name not in present:
            states.append(TopicState(name=name, is_present=False, faults=("is missing",)))
            continue
        faults = []
        if found[name] != topic.partition_count(kafka):
            faults.append(f"has {found[name]} partitions, not {topic.partition_count(kafka)}")
        faults += [
            f"{key} is {configurations[name].get(key)}, not {value}"
            for key, value in topic.configuration.items()
            if configurations[name].get(key) != value
        ]
        states.append(TopicState(name=name, is_present=True, faults=tuple(faults)))
    return states
