"""Merging identities at a site: durable step by step, fenced against workers, repeatable; and the wallets in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cases import ConfigurationError, pseudonymise
from kelsey.cli import cli
from privacy.patient_wallet import PatientWallet, charge
from privacy.wallet import WalletPolicy
from streams import patient_merge
from streams.casebook import BookChanges
from streams.fenced import FencedError
from streams.gate_store import GateStore, PartVerdict
from streams.partition_book import PartitionBook
from streams.patient_merge import merge_patients
from streams.store import PartitionStore, Position, StoreChanges
from streams.topics import patient_partition
from tests.streams.make import KEY, protocol, vocabulary

UNDER = protocol(capacity=2.0)
POLICY = WalletPolicy(UNDER.wallet_capacity, UNDER.wallet_operations)
ANN, BO = "a" * 32, "b" * 32


def commit(store: PartitionStore, book: BookChanges, place: int) -> None:
    store.commit(StoreChanges(book=book), Position("cases", place, place + 1))


def pay(store: PartitionStore, patient: str, cells: list[int], place: int = 0) -> PatientWallet:
    before = store.wallets_of([patient]).get(patient, PatientWallet())
    outcome = charge(before, added=cells, removed=[], policy=POLICY, layout=UNDER.layout)
    operations = [(operation.cell, operation.weight) for operation in outcome.operations]
    commit(store, BookChanges(wallets={patient: outcome.wallet}, operations=operations), place)
    return outcome.wallet


def merge(old: PartitionStore, new: PartitionStore, given_up: str = ANN, kept: str = BO) -> bool:
    return merge_patients(given_up=given_up, kept=kept, given_up_store=old, kept_store=new, policy=POLICY)


@pytest.mark.parametrize("is_one_store", [True, False])
def test_the_surviving_wallet_is_the_sum_and_the_other_is_closed(is_one_store: bool) -> None:
    old = PartitionStore(None)
    new = old if is_one_store else PartitionStore(None, partition=1)
    ann, bo = pay(old, ANN, [1, 2]), pay(new, BO, [3], int(is_one_store))
    assert merge(old, new)
    kept = new.wallets_of([BO])[BO]
    assert (kept.pairs.spent, kept.pairs.operations) == (ann.pairs.spent + bo.pairs.spent, 3)
    assert old.wallets_of([ANN])[ANN].is_exhausted(POLICY)
    assert not merge(old, new), "a second time changes nothing"
    assert new.wallets_of([BO])[BO] == kept
    assert old.merged_count() == 1


def test_an_identity_never_seen_is_closed_all_the_same() -> None:
    store = PartitionStore(None)
    assert merge(store, store)
    closed = store.wallets_of([ANN])[ANN]
    assert charge(closed, added=[1], removed=[], policy=POLICY, layout=UNDER.layout).operations == ()
    assert store.wallets_of([BO])[BO] == PatientWallet()


@pytest.mark.parametrize("step", ["held", "closed"])
def test_a_merge_that_was_interrupted_pays_nothing_and_is_completed_by_the_same_call(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = PartitionStore(None), PartitionStore(None, partition=1)
    ann, bo = pay(old, ANN, [1]), pay(new, BO, [2])
    name = {"held": "_close", "closed": "merged_wallet"}[step]

    def crash(*_: object) -> PatientWallet:
        raise InterruptedError

    with monkeypatch.context() as broken:
        broken.setattr(patient_merge, name, crash)
        with pytest.raises(InterruptedError):
            merge(old, new)
    assert new.wallets_of([BO])[BO].is_exhausted(POLICY), "a merge under way: nothing is contributed"
    assert old.wallets_of([ANN])[ANN].is_exhausted(POLICY) is (step == "closed")
    blocked = pay(new, BO, [3], 1)
    assert blocked.pairs.cells[3] == (1, 0, False)
    with pytest.raises(ConfigurationError, match="another merge of this patient was interrupted"):
        merge(old, new, "c" * 32, BO)
    assert merge(old, new)
    kept = new.wallets_of([BO])[BO]
    assert kept.pairs.spent == ann.pairs.spent + bo.pairs.spent
    assert kept.pairs.cells[3] == (1, 0, False), "what was reported meanwhile is known"


def test_contradicting_merges_are_refused_before_anything_is_written() -> None:
    store = PartitionStore(None)
    pay(store, BO, [1])
    assert merge(store, store, ANN, BO)
    before = store.wallets_of([BO, "c" * 32])
    with pytest.raises(ConfigurationError, match="merged into another one before"):
        merge(store, store, ANN, "c" * 32)
    with pytest.raises(ConfigurationError, match="itself given up before"):
        merge(store, store, "c" * 32, ANN)
    with pytest.raises(ConfigurationError, match="both identities are one"):
        merge(store, store, BO, BO)
    assert store.wallets_of([BO, "c" * 32]) == before
    assert merge(store, store, BO, "c" * 32)  # a chain: the sum moves on
    assert store.wallets_of(["c" * 32])["c" * 32].pairs.spent == before[BO].pairs.spent


def test_a_batch_prepared_before_a_merge_is_fenced(tmp_path: Path) -> None:
    """Else the worker would write the wallet back as it was before the merge."""
    path = tmp_path / "casebook.sqlite"
    worker, command = PartitionStore(path), PartitionStore(path)
    pay(worker, BO, [1])
    prepared = BookChanges(wallets={BO: worker.wallets_of([BO])[BO]})
    assert merge(command, command)
    with pytest.raises(FencedError):
        commit(worker, prepared, 1)
    worker.close()
    again = PartitionStore(path)
    commit(again, BookChanges(), 1)
    again.close()
    command.close()


def test_a_store_from_before_the_merge_is_found_out(tmp_path: Path) -> None:
    """It has forgotten the merge and what was paid since; its next part bears a number that the gate knows."""
    path, backup = tmp_path / "casebook.sqlite", tmp_path / "backup.sqlite"
    gate = GateStore(None)

    def next_part(store: PartitionStore, cells: list[int]) -> PartVerdict:
        pay(store, BO, cells, store.next_offset("cases") or 0)
        part = store.seal_part(epoch=0, era=UNDER.era, protocol_hash=UNDER.hash)
        assert part is not None
        (verdict,) = gate.take([part], era=UNDER.era, protocol_hash=UNDER.hash)
        return verdict

    store = PartitionStore(path)
    assert next_part(store, [1]) is PartVerdict.MERGED
    store.close()
    shutil.copy(path, backup)
    store = PartitionStore(path)
    pay(store, ANN, [2], store.next_offset("cases") or 0)
    assert merge(store, store)
    assert next_part(store, [3]) is PartVerdict.MERGED
    store.close()
    shutil.copy(backup, path)
    restored = PartitionStore(path)
    assert restored.merged_count() == 0
    assert next_part(restored, [4]) is PartVerdict.WALLET_LOST
    assert gate.lost_partitions(UNDER.era) == (0,)
    restored.close()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    UNDER.dump(tmp_path / "protocol.json")
    (tmp_path / "pseudonym.key").write_bytes(KEY)
    (tmp_path / "pseudonym.key").chmod(0o600)
    (tmp_path / "site.toml").write_text(
        '[site]\nid = "alpha"\ndata_directory = "data"\npseudonym_key_file = "pseudonym.key"\nvocabulary = "open"\n'
        'protocol_file = "protocol.json"\n[kafka]\nbootstrap = "127.0.0.1:1"\npartitions = 2\n'
    )
    assert UNDER.vocabulary == vocabulary().label
    for number in range(2):
        store = PartitionStore(tmp_path / f"data/partitions/casebook-{number:04d}.sqlite", partition=number)
        PartitionBook(store, UNDER, is_learning=False)
        store.close()
    return tmp_path / "site.toml"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, [str(each) for each in arguments], prog_name="kelsey")
    return result.exit_code, result.stdout, result.stderr


def test_a_file_of_merges_and_the_wallets_in_numbers_that_name_nobody(
    site: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    patients = {f"fhir:Patient/{name}": pseudonymise(f"fhir:Patient/{name}", key=KEY) for name in "abcdefgh"}
    stores = {
        number: PartitionStore(tmp_path / f"data/partitions/casebook-{number:04d}.sqlite", partition=number)
        for number in range(2)
    }
    homes = {name: patient_partition(pseudonym, partitions=2) for name, pseudonym in patients.items()}
    assert set(homes.values()) == {0, 1}
    for number, (name, pseudonym) in enumerate(patients.items()):
        store = stores[homes[name]]
        cells = list(range(number + 1))
        outcome = charge(PatientWallet(), added=cells, removed=[], policy=POLICY, layout=UNDER.layout)
        changes = StoreChanges(
            book=BookChanges(
                wallets={pseudonym: outcome.wallet},
                exhausted={pseudonym} if outcome.wallet.is_exhausted(POLICY) else set(),
            ),
            counters={"wallet.blocked": 1},
        )
        store.commit(changes, Position("cases", place := store.next_offset("cases") or 0, place + 1))
    for store in stores.values():
        store.close()

    code, text, _ = run("site", "wallet", "--config", site, "--json")
    before = json.loads(text)
    assert code == 0
    assert before["patients"] == 8
    assert before["blocked_operations"] == 8
    assert before["spent_by_tenth"] == [0, 0, 1, 0, 0, 1, 0, 1, 0, 5]  # 1, 2, 3 of 4 spent, then all of it
    assert before["exhausted"] == 1  # four pairs of weight 1; the others' weights are rounded down
    assert before["spent_quantiles"]["0"] == 0.25
    assert before["operation_quantiles"]["1"] == 8

    merges = tmp_path / "merges.csv"
    merges.write_text("old,new\nfhir:Patient/a,fhir:Patient/b\nfhir:Patient/zz,fhir:Patient/b\n")
    code, text, err = run("site", "merge-patients", merges, "--config", site)
    assert (code, text) == (0, "2 merged, 1 of them without a wallet here; 0 before\n"), err
    assert json.loads(run("site", "merge-patients", merges, "--config", site, "--json")[1])["repeated"] == 2
    shown = [run("site", "wallet", "--config", site)[1], run("site", "wallet", "--config", site, "--json")[1]]
    after = json.loads(shown[1])
    assert (after["patients"], after["merged_identities"]) == (7, 2)
    assert "identities merged into others  2" in shown[0]
    said = [*shown, text, err, *capfd.readouterr()]
    assert not any(name in line for line in said for pair in patients.items() for name in pair)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("new,old\n", "header old,new"),
        ("old,new\nsecret-id\n", "line 2 must hold two different patient ids"),
        ("old,new\nsecret-id,secret-id\n", "line 2 must"),
        ("old,new\nx:1,secret-id\n", "line 2 holds a patient id without the prefix of its source (fhir:Patient/123"),
        ("old,new\nx:secret-id,x:1\nx:secret-id,x:2\n", "merge 2: the identity was merged into another one before"),
    ],
)
def test_a_row_that_cannot_be_is_named_by_its_place_alone(site: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "merges.csv").write_text(text)
    code, _, err = run("site", "merge-patients", tmp_path / "merges.csv", "--config", site)
    assert code == 1
    assert said in err
    assert "secret-id" not in err


def test_merges_need_the_stores_of_this_protocol(site: Path, tmp_path: Path) -> None:
    (tmp_path / "merges.csv").write_text("old,new\nfhir:a,fhir:b\n")
    arguments = ("site", "merge-patients", tmp_path / "merges.csv", "--config", site)
    protocol(capacity=1.0).dump(tmp_path / "protocol.json")
    assert "counted under another protocol" in run(*arguments)[2]
    shutil.rmtree(tmp_path / "data")
    assert "run it where the workers' data_directory lies" in run(*arguments)[2]
