"""The record of releases: whoever edits the hub's database is found out, by signatures or by a head from before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from cases import ParameterError
from hub import schema
from hub.intake import ReleaseIntake
from hub.record_check import RecordReport, check_record
from hub.record_head import RecordHead
from hub.release_shelf import ReleaseShelf
from hub.store import HubStore
from hub.sum_intake import SumIntake
from kelsey.cli import cli
from privacy.secure_sum import Role
from tests.hub.federation import NOW, Federation
from tests.hub.secure_sum import PROTOCOL, PUBLIC, House
from tests.hub.served_hub import write_settings

LINE, SUM = "it is not what the site signed", "it is not what its two shares add up to"


def take_in(store: HubStore, federation: Federation, *epochs: int) -> None:
    intake = ReleaseIntake(store, federation.protocol, federation.site_keys)
    for epoch in epochs:
        for line in federation.release_all(epoch, {3: 40}):
            intake.accept(line, received_at=NOW)


def look(store: HubStore, federation: Federation, published: RecordHead | None = None) -> RecordReport:
    return check_record(
        store, federation.protocol, site_keys=federation.site_keys, aggregator_keys={}, published=published
    )


def edit(store: HubStore, *statements: str) -> None:
    """What somebody who owns the database can do."""
    with store.write() as connection:
        for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0, statement


def chain_anew(store: HubStore) -> None:
    """Number and hash all that is left, as if nothing else had ever been there."""
    with store.read() as connection:
        rows = connection.execute(select(schema.release).order_by(schema.release.c.number)).all()
    head = RecordHead()
    for row in rows:
        head = head.after(site=row.site, era=row.era, epoch=row.epoch, digest=row.digest)
        if (row.number, row.chain) != (head.number, head.chain):
            edit(
                store, f"UPDATE release SET number = {head.number}, chain = '{head.chain}' WHERE number = {row.number}"
            )


@pytest.fixture
def edited(tmp_path: Path) -> Iterator[HubStore]:
    store = HubStore(f"sqlite:///{tmp_path / 'edited.sqlite'}")
    yield store
    store.close()


def test_an_honest_record_is_sound_and_goes_on_from_every_head_it_had(store: HubStore, federation: Federation) -> None:
    assert look(store, federation).head == RecordHead()
    take_in(store, federation, 0)
    early = look(store, federation).head
    take_in(store, federation, 1, 2)
    report = look(store, federation, early)
    assert (report.faults, report.releases, report.sums, report.head.number) == ([], 9, 0, 9)
    with store.read() as connection:
        assert ReleaseShelf().head(connection) == report.head
    other = RecordHead(early.number, "0" * 64)
    assert look(store, federation, other).faults == [
        f"the record does not go on from the head {other}: it is another, or releases were left out"
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE release_vector SET data = (SELECT data FROM release_vector v WHERE v.epoch = 1 AND v.site = 'north' "
         "AND v.name = 'pair') WHERE epoch = 1 AND site = 'south' AND name = 'pair'", LINE),
        ("DELETE FROM release_vector WHERE epoch = 1 AND site = 'south' AND name = 'drug'", LINE),
        ("UPDATE release SET signature = x'00' WHERE number = 5", LINE),
        ("UPDATE release SET sequence = 9 WHERE number = 8", LINE),
        ("UPDATE release SET protocol_hash = replace(protocol_hash, '0', '1') WHERE number = 5", LINE),
        ("UPDATE release SET epoch = 9 WHERE number = 8", "changed here or before"),
        ("UPDATE release SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE number = 5", "changed here"),
        ("UPDATE release SET chain = (SELECT chain FROM release r WHERE r.number = 4) WHERE number = 5", "changed"),
        ("DELETE FROM release WHERE number = 5", "1 is missing"),
        ("UPDATE release SET site = 'nowhere' WHERE number = 9", "no key is registered for its site"),
    ],
)  # fmt: skip
def test_an_edited_release_is_found(edited: HubStore, federation: Federation, statement: str, said: str) -> None:
    take_in(edited, federation, 0, 1, 2)
    edit(edited, statement)
    faults = look(edited, federation).faults
    assert any(said in fault for fault in faults), faults
    chain_anew(edited)  # hashing everything again helps against none of it, but what only says that it was edited
    again = look(edited, federation).faults
    assert again != [] or "chain" in statement.split("WHERE")[0], again


def test_a_last_release_that_is_gone_without_trace_shows_in_a_head_from_before(
    edited: HubStore, federation: Federation
) -> None:
    take_in(edited, federation, 0, 1)
    published = look(edited, federation).head
    edit(edited, "DELETE FROM release WHERE number = 6", "DELETE FROM release_vector WHERE epoch = 1 AND site = 'west'")
    assert look(edited, federation).is_sound  # by itself it looks like one that never came
    assert not look(edited, federation, published).is_sound


def test_a_site_that_is_left_out_whole_shows_in_a_head_from_before(edited: HubStore, federation: Federation) -> None:
    take_in(edited, federation, 0, 1)
    published = look(edited, federation).head
    edit(edited, "DELETE FROM release WHERE site = 'north'", "DELETE FROM release_vector WHERE site = 'north'")
    assert not look(edited, federation).is_sound
    chain_anew(edited)
    assert look(edited, federation).is_sound
    assert not look(edited, federation, published).is_sound


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE release_vector SET data = (SELECT data FROM release_vector v WHERE v.epoch = 0 AND v.name = 'pair') "
         "WHERE epoch = 1 AND name = 'pair'", SUM),
        ("UPDATE sum_share SET data = (SELECT data FROM sum_share s WHERE s.epoch = 0 AND s.role = 'helper') "
         "WHERE epoch = 1 AND role = 'helper'", "not what the aggregators signed"),
        ("UPDATE sum_share SET data = CAST(substr(data, 1, length(data) - 1) || 'x' AS BLOB) WHERE epoch = 1",
         "not what the aggregators signed"),
        ("UPDATE sum_share SET sites = 9 WHERE epoch = 1 AND role = 'leader'", "the number of sites"),
        ("DELETE FROM sum_share WHERE epoch = 1 AND role = 'leader'", "there are not two shares"),
        ("UPDATE release SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE number = 2", "its digest is"),
        ("UPDATE sum_share SET data = (SELECT data FROM sum_share s WHERE s.epoch = 0 AND s.role = sum_share.role) "
         "WHERE epoch = 1; "
         "UPDATE release_vector SET data = (SELECT data FROM release_vector v WHERE v.epoch = 0 AND "
         "v.name = release_vector.name) WHERE epoch = 1", "its shares are those of another epoch"),
    ],
)  # fmt: skip
def test_an_edited_sum_is_found(edited: HubStore, tmp_path: Path, statement: str, said: str) -> None:
    house = House(tmp_path / "house", noise_sd=900.0)
    intake = SumIntake(edited, PROTOCOL, PUBLIC)
    for epoch in (0, 1):
        for site in ("north", "south"):
            house.send(site, epoch, {epoch: 256})
        house.agree(epoch)
        house.open()
        for role in Role:
            intake.accept(next(iter(house.at_hub[role, epoch])), received_at=NOW)
    house.stop()

    def found() -> RecordReport:
        return check_record(edited, PROTOCOL, site_keys={}, aggregator_keys=PUBLIC)

    assert (found().faults, found().sums, found().unverified) == ([], 2, 0)
    edit(edited, *statement.split("; "))
    faults = found().faults
    assert any(said in fault for fault in faults), faults
    assert all("epoch 1" in fault for fault in faults)


def test_the_command_says_what_is_wrong_and_fails(tmp_path: Path, federation: Federation) -> None:
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    config = write_settings(federation, url, tmp_path)
    store = HubStore(url)
    take_in(store, federation, 0)

    def run(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["hub", "verify", "--config", str(config), *options])
        return done.exit_code, done.stdout + done.stderr

    code, said = run("--json")
    head = json.loads(said)["head"]
    assert (code, json.loads(said)["releases"], json.loads(said)["faults"]) == (0, 3, [])
    assert run("--published", head) == (0, f"3 releases and 0 sums verified; head of the record {head}\n")
    status = CliRunner().invoke(cli, ["hub", "status", "--config", str(config), "--json"])
    assert json.loads(status.stdout)["record"] == head
    edit(store, "UPDATE release SET signature = x'00' WHERE number = 2")
    store.close()
    code, said = run()
    assert code == 1
    assert f"release 2, south, era {federation.protocol.era}, epoch 0: {LINE}" in said
    assert "3 releases and 0 sums looked at, 1 fault;" in said and "verified" not in said
    assert run("--published", "newest")[0] == 1


@pytest.mark.parametrize("words", ["", "1", "1:ab", "-1:" + "0" * 64, "1:" + "0" * 64 + "\n"])
def test_what_is_no_head_is_refused(words: str) -> None:
    with pytest.raises(ParameterError, match="number:hash"):
        RecordHead.parse(words)
