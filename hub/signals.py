"""The book of SDRs: raised by the hub, moved on by people, every step kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from cases import ParameterError
from hub import schema
from hub.errors import TransitionRefused, UnknownIdError
from hub.event_log import EventLog
from hub.lifecycle import TRANSITIONS, SdrState
from hub.roles import Role
from hub.sdr import PairStatistic, Sdr, SdrTransition, sdr_id
from hub.store import HubStore

__all__ = ["Candidate", "SignalBook"]

_HUB_ACTOR = "hub"
_MAXIMUM_REASON = 2000


class Candidate(msgspec.Struct, frozen=True):
    """A pair for which a rule holds in the epoch at hand."""

    drug: str
    reaction: str
    rule: str
    statistic: PairStatistic


class SignalBook:
    """SDRs and their transitions in a store; state and step change in one transaction or not at all.

    Parameters
    ----------
    store
        The hub's database.
    """

    def __init__(self, store: HubStore) -> None:
        self._store = store
        self._log = EventLog()

    def raise_many(
        self,
        connection: Connection,
        candidates: Sequence[Candidate],
        *,
        era: str,
        epoch: int,
        epoch_end: date,
        at: datetime,
    ) -> list[Sdr]:
        """Raise what is new, refresh what is known (in whatever state), inside the caller's transaction.

        Returns the new SDRs, in the candidates' order. Refuted and closed ones are refreshed, never raised again.
        """
        known = set(connection.execute(select(schema.sdr.c.id).where(schema.sdr.c.era == era)).scalars())
        raised, changes, refreshed = [], [], []
        for item in candidates:
            identity = sdr_id(era=era, drug=item.drug, reaction=item.reaction, rule=item.rule)
            values = msgspec.structs.asdict(item.statistic)
            if identity in known:
                refreshed.append({"b_id": identity, "b_epoch": epoch, **values})
                continue
            known.add(identity)
            sdr = Sdr(
                id=identity, drug=item.drug, reaction=item.reaction, rule=item.rule, state=SdrState.RAISED, era=era,
                first_epoch=epoch, first_date=epoch_end, last_epoch=epoch, raised_at=at, statistic=item.statistic,
            )  # fmt: skip
            step = SdrTransition(
                sdr_id=identity, sequence=1, from_state=None, to_state=SdrState.RAISED, actor=_HUB_ACTOR,
                reason=f"rule {item.rule} in epoch {epoch}", at=at,
            )  # fmt: skip
            raised.append(sdr)
            changes.append((sdr, step))
        if raised:
            connection.execute(insert(schema.sdr), [_sdr_values(sdr) for sdr in raised])
            connection.execute(insert(schema.sdr_transition), [_step_values(step) for _, step in changes])
            self._log.append(connection, changes)
        if refreshed:
            self._refresh(connection, refreshed)
        return raised

    def transition(
        self, identity: str, to_state: SdrState, *, actor: str, role: Role, reason: str, at: datetime
    ) -> SdrTransition:
        """Take an SDR to another state.

        Raises
        ------
        UnknownIdError
            There is no such SDR.
        ParameterError
            `reason` or `actor` is empty or too long.
        TransitionRefused
            The lifecycle has no such step, `role` may not make it, or somebody else was faster.
        """
        if not 0 < len(reason.strip()) <= _MAXIMUM_REASON:
            raise ParameterError(f"reason must have between 1 and {_MAXIMUM_REASON} characters")
        if not actor.strip():
            raise ParameterError("actor must not be empty")
        with self._store.write() as connection:
            self._log.lock(connection)
            sdr = self._get(connection, identity)
            allowed = TRANSITIONS.get((sdr.state, to_state))
            if allowed is None:
                ways = sorted(str(state) for origin, state in TRANSITIONS if origin is sdr.state)
                raise TransitionRefused(
                    f"an SDR cannot go from {sdr.state} to {to_state}", hint=f"from here: {', '.join(ways)}"
                )
            if role not in allowed:
                raise TransitionRefused(
                    f"the role {role} may not take an SDR from {sdr.state} to {to_state}",
                    hint=f"may: {', '.join(sorted(allowed))}",
                )
            changed = connection.execute(
                update(schema.sdr)
                .where(schema.sdr.c.id == identity, schema.sdr.c.state == str(sdr.state))
                .values(state=str(to_state))
            )
            if changed.rowcount != 1:
                raise TransitionRefused("somebody else changed this SDR first", hint="read it again and decide again")
            steps = schema.sdr_transition
            last = connection.execute(select(func.max(steps.c.sequence)).where(steps.c.sdr_id == identity)).scalar_one()
            step = SdrTransition(
                sdr_id=identity, sequence=last + 1, from_state=sdr.state, to_state=to_state, actor=actor.strip(),
                reason=reason.strip(), at=at,
            )  # fmt: skip
            connection.execute(insert(steps).values(**_step_values(step)))
            self._log.append(connection, [(msgspec.structs.replace(sdr, state=to_state), step)])
        return step

    def get(self, identity: str) -> Sdr:
        """One SDR; raises `UnknownIdError`."""
        with self._store.read() as connection:
            return self._get(connection, identity)

    def history(self, identity: str) -> list[SdrTransition]:
        """All steps of an SDR, oldest first; raises `UnknownIdError`."""
        steps = schema.sdr_transition
        with self._store.read() as connection:
            self._get(connection, identity)
            rows = connection.execute(select(steps).where(steps.c.sdr_id == identity).order_by(steps.c.sequence))
            return [_step(row) for row in rows]

    def find(
        self,
        *,
        state: SdrState | None = None,
        drug: str | None = None,
        reaction: str | None = None,
        rule: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Sdr]:
        """SDRs that match everything given, newest first, ties by id."""
        table = schema.sdr
        query = select(table).order_by(table.c.raised_at.desc(), table.c.id).limit(limit).offset(offset)
        for column, wanted in ((table.c.state, state), (table.c.drug, drug), (table.c.reaction, reaction),
                               (table.c.rule, rule)):  # fmt: skip
            if wanted is not None:
                query = query.where(column == str(wanted))
        with self._store.read() as connection:
            return [_sdr(row) for row in connection.execute(query)]

    def count_by_state(self) -> dict[SdrState, int]:
        """Number of SDRs in each state, the empty ones too."""
        query = select(schema.sdr.c.state, func.count()).group_by(schema.sdr.c.state)
        with self._store.read() as connection:
            counts = {SdrState(state): number for state, number in connection.execute(query)}
        return {state: counts.get(state, 0) for state in SdrState}

    @staticmethod
    def _refresh(connection: Connection, rows: list[dict[str, Any]]) -> None:
        columns: dict[str, Any] = {name: bindparam(name) for name in schema.MEASURES}
        table = schema.sdr
        connection.execute(
            update(table)
            .where(table.c.id == bindparam("b_id"), table.c.last_epoch <= bindparam("b_epoch"))
            .values(last_epoch=bindparam("b_epoch"), **columns),
            rows,
        )

    @staticmethod
    def _get(connection: Connection, identity: str) -> Sdr:
        row = connection.execute(select(schema.sdr).where(schema.sdr.c.id == identity)).one_or_none()
        if row is None:
            raise UnknownIdError("there is no SDR with this id", hint="GET /v1/sdrs lists them")
        return _sdr(row)


def _sdr_values(sdr: Sdr) -> dict[str, Any]:
    values = msgspec.structs.asdict(sdr)
    statistic = values.pop("statistic")
    return {**values, "state": str(sdr.state), **msgspec.structs.asdict(statistic)}


def _step_values(step: SdrTransition) -> dict[str, Any]:
    values = msgspec.structs.asdict(step)
    values["from_state"] = None if step.from_state is None else str(step.from_state)
    return {**values, "to_state": str(step.to_state)}


def _sdr(row: Row[Any]) -> Sdr:
    values = dict(row._mapping)
    statistic = PairStatistic(**{name: values.pop(name) for name in schema.MEASURES})
    return Sdr(**{**values, "state": SdrState(values["state"])}, statistic=statistic)


def _step(row: Row[Any]) -> SdrTransition:
    values = dict(row._mapping)
    origin = values["from_state"]
    values["from_state"] = None if origin is None else SdrState(origin)
    return SdrTransition(**{**values, "to_state": SdrState(values["to_state"])})
