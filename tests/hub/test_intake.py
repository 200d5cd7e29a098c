"""Intake: what is right is stored once, everything else is refused with its code, counted, and leaves no trace."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from hub import schema
from hub.errors import ReleaseRefused
from hub.intake import ReceiptStatus, ReleaseIntake
from hub.reasons import RefusalReason
from hub.store import HubStore
from privacy.calendar import EpochCalendar
from privacy.release import maximum_release_bytes
from tests.hub.federation import NOW, Federation, PlayedSite, under


@pytest.fixture
def intake(store: HubStore, federation: Federation) -> ReleaseIntake:
    return ReleaseIntake(store, federation.protocol, federation.site_keys)


def count(store: HubStore, table: str) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one())


def refused(intake: ReleaseIntake, line: bytes, *, sender: str | None = None) -> RefusalReason:
    with pytest.raises(ReleaseRefused) as caught:
        intake.accept(line, received_at=NOW, sender=sender)
    assert caught.value.hint
    return caught.value.reason


def test_a_release_is_stored_with_its_facts(store: HubStore, intake: ReleaseIntake, federation: Federation) -> None:
    line = federation.sites["north"].release(0, {2: 5})
    receipt = intake.accept(line, received_at=NOW, sender="north")
    assert (receipt.status, receipt.site, receipt.epoch, receipt.sequence) == (ReceiptStatus.ACCEPTED, "north", 0, 0)
    with store.read() as connection:
        row = connection.execute(select(schema.release)).one()
    assert (row.site, row.era, row.epoch_end.isoformat(), row.size_bytes) == ("north", "2026", "2026-01-31", len(line))
    assert (row.protocol_hash, row.received_at, row.digest) == (federation.protocol.hash, NOW, receipt.digest)
    assert count(store, "release_vector") == 3


def test_the_same_bytes_again_are_a_replay(store: HubStore, intake: ReleaseIntake, federation: Federation) -> None:
    site = federation.sites["north"]
    lines = [site.release(epoch) for epoch in range(3)]
    for line in lines:
        intake.accept(line, received_at=NOW)
    for line in lines:  # also an old one
        assert intake.accept(line, received_at=NOW).status is ReceiptStatus.REPLAYED
    assert (count(store, "release"), count(store, "refusal")) == (3, 0)


def test_other_bytes_for_a_known_epoch_are_refused(intake: ReleaseIntake, federation: Federation) -> None:
    site = federation.sites["north"]
    intake.accept(site.release(0), received_at=NOW)
    assert refused(intake, site.seal(epoch=0, sequence=0)) is RefusalReason.CONFLICT
    assert refused(intake, site.seal(epoch=1, sequence=0)) is RefusalReason.CONFLICT
    assert refused(intake, site.seal(epoch=0, sequence=1)) is RefusalReason.CONFLICT


def test_reordered_releases_are_refused_until_their_turn(intake: ReleaseIntake, federation: Federation) -> None:
    site = federation.sites["south"]
    first, second, third = (site.release(epoch) for epoch in range(3))
    assert refused(intake, second) is RefusalReason.SEQUENCE_GAP
    intake.accept(first, received_at=NOW)
    assert refused(intake, third) is RefusalReason.SEQUENCE_GAP
    intake.accept(second, received_at=NOW)
    intake.accept(third, received_at=NOW)
    assert refused(intake, site.seal(epoch=1, sequence=3)) is RefusalReason.CONFLICT


def test_an_epoch_before_the_last_is_refused(intake: ReleaseIntake, federation: Federation) -> None:
    site = federation.sites["south"]
    intake.accept(site.release(4), received_at=NOW)  # a site that starts late, or missed epochs, may go on
    assert refused(intake, site.seal(epoch=2, sequence=1)) is RefusalReason.EPOCH_ORDER
    intake.accept(site.release(7), received_at=NOW)


def test_forged_releases_are_refused(store: HubStore, intake: ReleaseIntake, federation: Federation) -> None:
    north, south = federation.sites["north"], federation.sites["south"]
    forger = PlayedSite("north", federation.protocol, seed=99)
    assert refused(intake, forger.release(0)) is RefusalReason.BAD_SIGNATURE
    assert refused(intake, south.seal(site="north")) is RefusalReason.BAD_SIGNATURE
    line = north.release(0)
    for field, value in (("epoch", 1), ("sequence", 1), ("site", "south")):
        parsed = msgspec.json.decode(line)
        parsed["release"][field] = value
        assert refused(intake, msgspec.json.encode(parsed)) is RefusalReason.BAD_SIGNATURE
    assert count(store, "release") == 0
    assert count(store, "refusal") == 5


def test_other_protocols_eras_and_epochs_are_refused(intake: ReleaseIntake, federation: Federation) -> None:
    north = federation.sites["north"]
    other = PlayedSite("north", under(federation.protocol, epsilon=2.0), seed=0)
    assert refused(intake, other.release(0)) is RefusalReason.WRONG_PROTOCOL
    assert refused(intake, north.seal(era="2027")) is RefusalReason.WRONG_ERA
    assert refused(intake, north.seal(epoch=12)) is RefusalReason.EPOCH_OUT_OF_RANGE
    longer = under(federation.protocol, calendar=EpochCalendar("month", federation.protocol.calendar.start, 24))
    assert refused(intake, PlayedSite("north", longer, seed=0).release(0)) is RefusalReason.WRONG_PROTOCOL


def test_unknown_sites_and_borrowed_keys_are_refused(intake: ReleaseIntake, federation: Federation) -> None:
    stranger = PlayedSite("east", federation.protocol, seed=0)
    assert refused(intake, stranger.release(0)) is RefusalReason.UNKNOWN_SITE
    assert refused(intake, federation.sites["north"].release(0), sender="south") is RefusalReason.SITE_MISMATCH


def test_a_wrong_shape_is_refused(intake: ReleaseIntake, federation: Federation) -> None:
    wide = PlayedSite("north", under(federation.protocol, drugs=(*federation.protocol.drugs, "another")), seed=0)
    line = wide.seal(protocol_hash=federation.protocol.hash)
    assert refused(intake, line) is RefusalReason.INVALID_FORMAT


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"\xff\xfe", b"null", b'{"release":{"site":"north"}}', b'{"release":{"site":"' * 50]
)
def test_what_is_no_release_is_refused(intake: ReleaseIntake, line: bytes) -> None:
    assert refused(intake, line) is RefusalReason.INVALID_FORMAT


def test_oversized_lines_are_refused_before_they_are_parsed(intake: ReleaseIntake, federation: Federation) -> None:
    limit = maximum_release_bytes(federation.protocol)
    assert refused(intake, b"[" * (limit + 1)) is RefusalReason.OVERSIZED
    assert refused(intake, b" " * limit) is RefusalReason.INVALID_FORMAT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_no_change_of_a_line_gets_in(intake: ReleaseIntake, federation: Federation, data: st.DataObject) -> None:
    line = bytearray(federation.sites["north"].seal())
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    refused(intake, bytes(line))


def test_refusals_keep_code_and_registered_site_only(
    store: HubStore, intake: ReleaseIntake, federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "gundula-quastenflosser-1947"
    stranger = PlayedSite(canary, federation.protocol, seed=0)
    with caplog.at_level(logging.DEBUG):
        refused(intake, stranger.release(0))
        refused(intake, b'{"release":{"site":"north","' + canary.encode() + b'":1}}')
        refused(intake, federation.sites["north"].seal(era=canary))
        refused(intake, canary.encode(), sender="south")
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(schema.refusal.c.site, schema.refusal.c.reason))]
    assert rows == [
        ("", "unknown-site"), ("north", "invalid-format"), ("north", "wrong-era"), ("south", "invalid-format"),
    ]  # fmt: skip
    assert "reason=unknown-site" in caplog.text
    assert canary not in caplog.text


def test_a_crowd_that_sends_the_same_line_stores_it_once(
    store: HubStore, intake: ReleaseIntake, federation: Federation
) -> None:
    lines = [federation.sites["north"].release(epoch) for epoch in range(4)]
    for line in lines:
        with ThreadPoolExecutor(8) as pool:
            receipts = list(pool.map(lambda each: intake.accept(each, received_at=NOW), [line] * 8))
        assert sorted(receipt.status for receipt in receipts) == ["accepted", *["replayed"] * 7]
    assert count(store, "release") == 4


def test_a_crowd_with_different_lines_for_one_epoch_stores_one(
    store: HubStore, intake: ReleaseIntake, federation: Federation
) -> None:
    site = federation.sites["north"]
    lines = [PlayedSite.seal(site, era="2026", epoch=epoch) for epoch in range(6)]

    def send(line: bytes) -> str:
        try:
            return str(intake.accept(line, received_at=NOW).status)
        except ReleaseRefused as error:
            return str(error.reason)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(send, lines)) == ["accepted", *["conflict"] * 5]
    assert count(store, "release") == 1


def test_every_reason_has_a_status_and_a_way_out() -> None:
    for reason in RefusalReason:
        assert 400 <= reason.http_status < 500
        assert reason.hint


def test_keys_of_another_kind_of_site_do_not_open_it(store: HubStore, federation: Federation) -> None:
    keys = {name: Ed25519PrivateKey.generate().public_key() for name in federation.sites}
    intake = ReleaseIntake(store, federation.protocol, keys)
    assert refused(intake, federation.sites["north"].release(0)) is RefusalReason.BAD_SIGNATURE
