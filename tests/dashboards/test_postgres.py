"""Every SQL query of the hub dashboard gives rows on a real PostgreSQL that holds the hub's own tables."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from numbers import Real
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, create_engine, insert, text
from sqlalchemy.exc import ProgrammingError

from dashboards import hub_sql
from hub import schema
from hub.store import HubStore
from tests.dashboards.boards import queries
from tests.dashboards.grafana_sql import expand
from tests.services.paths import ROOT

_START = datetime(2026, 1, 5, tzinfo=UTC)
_END = datetime(2026, 3, 31, tzinfo=UTC)
_DRUG, _REACTION = "St John's wort", "Cushing's syndrome"  # apostrophes: quoting is part of what is tested
_QUERIES = queries("hub", "rawSql")


def _measures(epoch: int) -> dict[str, float | None]:
    values: dict[str, float | None] = dict.fromkeys(schema.MEASURES, 1.0 + epoch)
    return {**values, "prr_upper": None}  # an infinite upper bound


def _fill(connection: Connection) -> None:
    def add(table: Table, **values: Any) -> None:
        connection.execute(insert(table).values(**values))

    number = 0
    for epoch in range(6):
        end = date(2026, 1, 11) + timedelta(weeks=epoch)
        received = datetime(2026, 1, 12, 6, tzinfo=UTC) + timedelta(weeks=epoch)
        for site in ("north", "south"):
            number += 1
            add(
                schema.release, site=site, era="2026", epoch=epoch, epoch_end=end, sequence=epoch, size_bytes=9_000,
                protocol_hash="0" * 64, digest="0" * 64, received_at=received, number=number, chain="0" * 64,
            )  # fmt: skip
        key = {"era": "2026", "epoch": epoch, "epoch_end": end, "drug": _DRUG, "reaction": _REACTION}
        add(schema.pair_statistic, **key, **_measures(epoch), state="signal", rule_states="{}")
    add(
        schema.flagged_bucket, era="2026", bucket=17, epoch=5, n=40.0, n_sd=3.0, expected=9.5, q_value=0.001,
        pair_count=43, candidates='[{"drug": "d", "reaction": "r", "share": 0.4}]',
    )  # fmt: skip
    add(schema.refusal, site="north", reason="bad-signature", received_at=_START + timedelta(days=9))
    add(
        schema.sdr, id="s1", drug=_DRUG, reaction=_REACTION, rule="umc", state="validated", era="2026", first_epoch=2,
        first_date=date(2026, 1, 25), last_epoch=5, raised_at=_START + timedelta(weeks=3), **_measures(2),
    )  # fmt: skip
    for number, (old, new) in enumerate([(None, "raised"), ("raised", "validated")]):
        add(
            schema.sdr_transition, sdr_id="s1", sequence=number, from_state=old, to_state=new, actor="officer",
            reason="three serious cases", at=_START + timedelta(weeks=3, hours=number),
        )  # fmt: skip
    add(
        schema.subscription, id="u1", owner="k1", url="https://example.org/hook", secret="whsec", states="[]",
        status="active", created_at=_START, cursor=1, attempt=0, due_at=_START,
    )  # fmt: skip
    for attempt, (status, answer) in enumerate([("retried", 503), ("delivered", 204)], start=1):
        add(
            schema.delivery, subscription_id="u1", event_id=1, attempt=attempt, status=status, http_status=answer,
            at=_START + timedelta(weeks=4, minutes=attempt),
        )  # fmt: skip


@pytest.fixture
def database(postgres_url: str) -> Iterator[Engine]:
    HubStore(postgres_url).close()  # makes the tables
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        _fill(connection)
    yield engine
    engine.dispose()


def _ask(engine: Engine, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    filled = expand(sql, variables={"drug": _DRUG, "reaction": _REACTION}, start=_START, end=_END)
    with engine.connect() as connection:
        answer = connection.execute(text(filled.replace(":", r"\:")))
        return list(answer.keys()), [tuple(row) for row in answer]


def test_every_panel_has_rows(database: Engine) -> None:
    empty = [title for title, sql in _QUERIES if not _ask(database, sql)[1]]
    assert len(_QUERIES) >= 12
    assert empty == []


def test_time_series_begin_with_an_ascending_time(database: Engine) -> None:
    for title, sql in _QUERIES:
        columns, rows = _ask(database, sql)
        if '"time"' in sql:
            assert columns[0] == "time", title
            times = [row[0] for row in rows]
            assert all(isinstance(t, datetime | Real) or hasattr(t, "quantize") for t in times), title
            assert times == sorted(times), title


def test_the_time_range_is_honoured(database: Engine) -> None:
    for title, sql in _QUERIES:
        if "$__timeFilter" in sql:
            past = expand(sql, variables={"drug": _DRUG, "reaction": _REACTION}, start=_START - timedelta(days=900),
                          end=_START - timedelta(days=800))  # fmt: skip
            with database.connect() as connection:
                assert connection.execute(text(past.replace(":", r"\:"))).all() == [], title


def test_the_template_variables_offer_the_pairs(database: Engine) -> None:
    assert _ask(database, hub_sql.DRUGS)[1] == [(_DRUG,)]
    assert _ask(database, hub_sql.REACTIONS_OF_DRUG)[1] == [(_REACTION,)]


def test_the_noise_band_is_what_the_noise_says(database: Engine) -> None:
    columns, rows = _ask(database, hub_sql.PAIR_REPORTS)
    first = dict(zip(columns, rows[0], strict=True))
    assert first["reports"] == 1.0
    assert first["low"] == pytest.approx(1.0 - 1.96)
    assert first["high"] == pytest.approx(1.0 + 1.96)


def test_a_reader_with_the_documented_grants_sees_every_panel_and_no_secret(database: Engine) -> None:
    written = re.search(r"```sql\n(.*?)```", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), re.DOTALL)
    assert written is not None
    reader = f"grafana_{uuid.uuid4().hex}"
    with database.begin() as connection:
        for statement in written[1].replace("grafana", reader).split(";"):
            if statement.strip():
                connection.execute(text(statement))
    try:
        for title, sql in _QUERIES:
            filled = expand(sql, variables={"drug": _DRUG, "reaction": _REACTION}, start=_START, end=_END)
            with database.connect() as connection:
                connection.execute(text(f"SET ROLE {reader}"))
                assert connection.execute(text(filled.replace(":", r"\:"))).all(), title
        for table in ("subscription", "api_key", "release_vector"):
            with database.connect() as connection:
                connection.execute(text(f"SET ROLE {reader}"))
                with pytest.raises(ProgrammingError, match="permission denied"):
                    connection.execute(text(f"SELECT * FROM {table}"))
    finally:
        with database.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {reader}"))
            connection.execute(text(f"DROP ROLE {reader}"))
