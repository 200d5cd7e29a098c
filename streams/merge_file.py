"""Merges of patient identities from a file: two columns of ids as the sources give them, merged one after the other."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import ExitStack, closing
from typing import TextIO

import msgspec

from cases import ConfigurationError, pseudonymise
from privacy.wallet import WalletPolicy
from streams.partition_set import store_path
from streams.patient_merge import merge_patients
from streams.settings import SiteSettings
from streams.store import PartitionStore
from streams.topics import patient_partition

__all__ = ["MergeTally", "merge_from_file", "read_merges"]


class MergeTally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows; names nobody.

    Parameters
    ----------
    merged, repeated
        Rows that merged two wallets now, and those that had been before.
    without_wallet
        Of the merged ones, those whose old identity had no wallet here: never seen in a watched pair, or not spelt as
        the source spells it.
    """

    merged: int
    repeated: int
    without_wallet: int


def read_merges(file: TextIO) -> list[tuple[str, str]]:
    """Old and surviving patient id of each row of a CSV file with the columns ``old`` and ``new``.

    Raises `ConfigurationError`, naming the line and never an id, for another header, a row of another length, an empty
    id, one that is both in a row, or one without the prefix of its source: misspelt, it would be merged with nobody,
    and a merge cannot be taken back.
    """
    rows = csv.reader(file)
    if [name.strip() for name in next(rows, [])] != ["old", "new"]:
        raise ConfigurationError("the file must begin with the header old,new")
    found = []
    for row in rows:
        if not row:
            continue
        words = [word.strip() for word in row]
        if len(words) != 2 or not all(words) or words[0] == words[1]:
            raise ConfigurationError(f"line {rows.line_num} must hold two different patient ids, old,new")
        if not all(":" in word for word in words):
            raise ConfigurationError(
                f"line {rows.line_num} holds a patient id without the prefix of its source",
                hint="fhir:Patient/123, or fhir:identifier|SYSTEM|VALUE; a merge cannot be taken back",
            )
        found.append((words[0], words[1]))
    return found


def merge_from_file(settings: SiteSettings, merges: Iterable[tuple[str, str]]) -> MergeTally:
    """Merge each (old, new) in order; what was merged before is passed over, so that a file can be run again.

    Raises `ConfigurationError` where the site has no protocol, this machine has not the stores, they were counted under
    another protocol, or a row contradicts an earlier merge (named by its number, from 1).
    """
    protocol, kafka, key = settings.protocol(), settings.require_kafka(), settings.pseudonym_key()
    if protocol is None:
        raise ConfigurationError("without a protocol there are no wallets to merge")
    policy = WalletPolicy(protocol.wallet_capacity, protocol.wallet_operations)
    merged = repeated = without = 0
    with ExitStack() as stack:
        stores: dict[int, PartitionStore] = {}

        def store_of(patient: str) -> PartitionStore:
            number = patient_partition(patient, partitions=kafka.partitions)
            if number not in stores:
                stores[number] = stack.enter_context(_opened(settings, number, protocol.hash))
            return stores[number]

        for number, row in enumerate(merges, start=1):
            old, new = (pseudonymise(patient_id, key=key) for patient_id in row)
            is_known = bool(store_of(old).wallets_of([old]))
            try:
                is_new = merge_patients(
                    given_up=old, kept=new, given_up_store=store_of(old), kept_store=store_of(new), policy=policy
                )
            except ConfigurationError as error:
                raise ConfigurationError(f"merge {number}: {error.message}", hint=error.hint) from error
            merged, repeated = merged + is_new, repeated + (not is_new)
            without += is_new and not is_known
    return MergeTally(merged=merged, repeated=repeated, without_wallet=without)


def _opened(settings: SiteSettings, partition: int, protocol_hash: str) -> closing[PartitionStore]:
    path = store_path(settings.data_directory, "casebook", partition)
    if not path.exists():
        raise ConfigurationError(
            f"{path} is not here", hint="run it where the workers' data_directory lies, after they have run once"
        )
    store = PartitionStore(path, partition=partition)
    if store.bind("protocol", protocol_hash) != protocol_hash:
        store.close()
        raise ConfigurationError(
            f"partition {partition} was counted under another protocol", hint="docs/streams.md, `A new era`"
        )
    return closing(store)
