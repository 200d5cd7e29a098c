"""Everything that happened to SDRs, in the order of commit: what server-sent events and webhooks are fed from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from hub import schema
from hub.lifecycle import SdrState
from hub.sdr import Sdr, SdrTransition

__all__ = ["DISCLAIMER", "EventLog", "SdrEvent"]

DISCLAIMER = (
    "A signal of disproportionate reporting is a statistic on reports, seen through privacy noise. It is not evidence "
    "that the drug caused the reaction; a person has to validate it."
)


class SdrEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: an SDR reached a state.

    `id` grows by one with every event; `type` is ``org.kelsey.sdr.<state>.v1``; `body` is JSON with the SDR, its
    statistic and the transition.
    """

    id: int
    type: str
    subject: str
    state: SdrState
    drug: str
    reaction: str
    at: datetime
    body: str


class EventLog:
    """Append-only log of SDR events, kept in the connection's database.

    All methods work inside the caller's transaction; what it rolls back never happened.
    """

    def lock(self, connection: Connection) -> None:
        """Let no other transaction write events until this one ends."""
        connection.execute(update(schema.event_counter).values(last=schema.event_counter.c.last))

    def append(self, connection: Connection, changes: Sequence[tuple[Sdr, SdrTransition]]) -> None:
        """Log that SDRs took steps. Ids are handed out under a row lock, so their order is the order of commit."""
        if not changes:
            return
        counter = schema.event_counter
        connection.execute(update(counter).values(last=counter.c.last + len(changes)))
        last = connection.execute(select(counter.c.last)).scalar_one()
        rows = []
        for number, (sdr, step) in enumerate(changes, start=last - len(changes) + 1):
            body = {"sdr": sdr, "transition": step, "disclaimer": DISCLAIMER}
            rows.append(
                {
                    "id": number,
                    "type": f"org.kelsey.sdr.{step.to_state}.v1",
                    "subject": sdr.id,
                    "state": str(step.to_state),
                    "drug": sdr.drug,
                    "reaction": sdr.reaction,
                    "at": step.at,
                    "body": msgspec.json.encode(body).decode(),
                }
            )
        connection.execute(insert(schema.event), rows)

    def after(self, connection: Connection, event_id: int, *, limit: int = 500) -> list[SdrEvent]:
        """Events with a greater id, in order, at most `limit`."""
        query = select(schema.event).where(schema.event.c.id > event_id).order_by(schema.event.c.id).limit(limit)
        return [_event(row) for row in connection.execute(query)]

    def last_id(self, connection: Connection) -> int:
        """Id of the newest event; 0 where there is none."""
        return int(connection.execute(select(func.coalesce(func.max(schema.event.c.id), 0))).scalar_one())


def _event(row: Row[Any]) -> SdrEvent:
    return SdrEvent(
        id=row.id,
        type=row.type,
        subject=row.subject,
        state=SdrState(row.state),
        drug=row.drug,
        reaction=row.reaction,
        at=row.at,
        body=row.body,
    )
