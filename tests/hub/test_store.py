"""What every store must do, in both dialects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from cases import ConfigurationError, ServiceError
from hub import schema
from hub.activation import activate
from hub.embedded import EmbeddedHub
from hub.errors import ReleaseRefused
from hub.lifecycle import SdrState
from hub.roles import Role as ApiRole
from hub.settings import HubSection, HubSettings
from hub.store import HubStore
from hub.subscriptions import DeliveryStatus, SubscriptionBook
from hub.sum_intake import SumIntake
from privacy.secure_sum import Role
from tests.hub.federation import NOW, Federation
from tests.hub.secure_sum import PROTOCOL, PUBLIC, House


def fill(store: HubStore, federation: Federation, folder: Path) -> None:
    """At least one row in every append-only table."""
    federation.protocol.dump(folder / "protocol.json")
    settings = HubSettings(hub=HubSection(protocol_file=folder / "protocol.json", database_url="sqlite://"))
    activate(settings, store, activated_by="Dr Oldham", at=NOW)
    house = House(folder)
    house.send("north", 0, {})
    house.send("south", 0, {})
    house.agree(0)
    house.open()
    SumIntake(store, PROTOCOL, PUBLIC).accept(next(iter(house.at_hub[Role.LEADER, 0])), received_at=NOW)
    house.stop()
    url = store._engine.url.render_as_string(hide_password=False)
    with EmbeddedHub(protocol=federation.protocol, site_keys=federation.site_keys, database_url=url) as hub:
        subscription = SubscriptionBook(store).add(owner="key-1", url="https://example.org/hook", at=NOW)
        for line in federation.release_all(0, {3: 400, **dict.fromkeys(range(8, 48), 20)}):
            hub.submit(line, NOW)
        assert hub.evaluate(0, NOW).new_sdrs
        with pytest.raises(ReleaseRefused):
            hub.submit(b"{}", NOW)
        with store.read() as connection:
            event = SubscriptionBook(store)._log.after(connection, 0)[0]
        SubscriptionBook(store).settle(
            subscription, event, status=DeliveryStatus.DELIVERED, http_status=200, error=None, at=NOW
        )


@pytest.mark.parametrize("table", schema.APPEND_ONLY, ids=lambda table: str(table.name))
def test_a_record_is_never_changed_and_never_deleted(
    store: HubStore, federation: Federation, tmp_path: Path, table: Table
) -> None:
    fill(store, federation, tmp_path)
    column = next(iter(table.primary_key.columns))
    with store.read() as connection:
        before = connection.execute(select(func.count()).select_from(table)).scalar_one()
    assert before > 0
    for statement in (update(table).values({column: column}), delete(table)):
        with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
            connection.execute(statement)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == before


def test_truncating_a_record_is_refused_too(store: HubStore) -> None:
    if store.dialect == "postgresql":
        with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
            connection.execute(text("TRUNCATE event"))


def test_the_tables_that_dashboards_read_have_the_agreed_columns(store: HubStore) -> None:
    agreed = {
        "release": "site era epoch epoch_end sequence protocol_hash size_bytes received_at",
        "refusal": "site reason received_at",
        "pair_statistic": "era epoch epoch_end drug reaction n n_sd expected prr prr_lower prr_upper ror ror_lower "
        "ror_upper ic ic_lower ic_upper ebgm eb05 eb95 z q_value detectable_excess state rule_states",
        "sdr": "id drug reaction rule state era first_epoch first_date last_epoch raised_at n n_sd expected prr "
        "prr_lower prr_upper ror ror_lower ror_upper ic ic_lower ic_upper ebgm eb05 eb95 z "
        "q_value detectable_excess",
        "sdr_transition": "sdr_id sequence from_state to_state actor reason at",
        "delivery": "id subscription_id event_id attempt status http_status at",
    }
    with store.read() as connection:
        for table, columns in agreed.items():
            assert set(columns.split()) <= {column["name"] for column in inspect(connection).get_columns(table)}


def test_a_failed_transaction_leaves_nothing(store: HubStore) -> None:
    row = {"site": "north", "reason": "oversized", "received_at": NOW}
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        connection.execute(insert(schema.refusal).values(**row))
        raise ZeroDivisionError
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.refusal)).scalar_one() == 0


def test_times_come_back_as_the_same_instant(store: HubStore) -> None:
    east = datetime(2026, 7, 1, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=9)))
    with store.write() as connection:
        connection.execute(insert(schema.refusal).values(site="", reason="x", received_at=east))
    with store.read() as connection:
        found = connection.execute(select(schema.refusal.c.received_at)).scalar_one()
    assert found == east
    assert found.tzinfo is UTC
    naive = insert(schema.refusal).values(site="", reason="x", received_at=east.replace(tzinfo=None))
    with pytest.raises(StatementError, match="time zone"), store.write() as connection:
        connection.execute(naive)


def test_opening_again_keeps_everything(database_url: str) -> None:
    for _ in range(2):
        store = HubStore(database_url)
        with store.write() as connection:
            connection.execute(insert(schema.refusal).values(site="", reason="x", received_at=NOW))
        store.check()
        store.close()
    store = HubStore(database_url)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.refusal)).scalar_one() == 2
    store.close()


def test_a_database_of_another_version_is_left_alone(database_url: str) -> None:
    store = HubStore(database_url)
    with store.write() as connection:
        connection.execute(update(schema.schema_version).values(version=99))
    store.close()
    with pytest.raises(ConfigurationError, match="schema version 99"):
        HubStore(database_url)


def test_unique_keys_guard_sequence_and_epoch(store: HubStore, federation: Federation, tmp_path: Path) -> None:
    fill(store, federation, tmp_path)
    with store.read() as connection:
        row = dict(connection.execute(select(schema.release)).first()._mapping)  # type: ignore[union-attr]  # fill() put rows there
    for change in ({"sequence": 7, "number": 99}, {"epoch": 7, "number": 99}, {"epoch": 7, "sequence": 7}):
        with pytest.raises(IntegrityError), store.write() as connection:
            connection.execute(insert(schema.release).values(**{**row, **change}))


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("no url", ConfigurationError, "not a SQLAlchemy URL"),
        ("mysql://u:secret@h/d", ConfigurationError, "names 'mysql'"),
        ("sqlite:////nowhere/at/all/hub.sqlite", ServiceError, "does not answer"),
        ("postgresql://u:secret@127.0.0.1:1/d", ServiceError, "does not answer"),
    ],
)
def test_an_unusable_url_says_what_to_do(url: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        HubStore(url)
    assert getattr(caught.value, "hint", "")
    assert "secret" not in str(caught.value)


def test_the_embedded_hub_and_a_served_one_share_a_file(tmp_path: Path, federation: Federation) -> None:
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    store = HubStore(url)
    fill(store, federation, tmp_path)
    with EmbeddedHub(protocol=federation.protocol, site_keys=federation.site_keys, database_url=url) as hub:
        sdr = hub.signals.find()[0]
        hub.signals.transition(sdr.id, SdrState.VALIDATED, actor="o", role=ApiRole.OFFICER, reason="seen", at=NOW)
    with store.read() as connection:
        states = connection.execute(select(schema.sdr.c.state).where(schema.sdr.c.id == sdr.id)).scalar_one()
    assert states == "validated"
    store.close()
