"""Routes for people: SDRs, their life, and the series of a pair."""

from __future__ import annotations

import difflib
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select

from cases import UnknownTermError
from hub import schema
from hub.api.access import DecidingKey, ReadingKey
from hub.api.context import Context
from hub.api.models import (
    NO_NUL,
    PairOverviewModel,
    PairPoint,
    PairSeries,
    Problem,
    SdrDetail,
    SdrModel,
    SdrPage,
    TransitionModel,
    TransitionRequest,
    model_of,
)
from hub.lifecycle import SdrState
from hub.pair_overview import read_overview

__all__ = ["get_pair", "get_sdr", "list_sdrs", "post_transition", "router"]

router = APIRouter(prefix="/v1", tags=["sdrs"])

_Name = Annotated[str | None, Query(min_length=1, max_length=512, pattern=NO_NUL)]
_Id = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
_UNKNOWN = {"model": Problem, "description": "There is no such thing"}


@router.get("/sdrs")
def list_sdrs(
    caller: ReadingKey,
    context: Context,
    state: SdrState | None = None,
    drug: _Name = None,
    reaction: _Name = None,
    rule: Annotated[str | None, Query(min_length=1, max_length=64, pattern=NO_NUL)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> SdrPage:
    """SDRs that match everything given, newest first."""
    found = context.signals.find(state=state, drug=drug, reaction=reaction, rule=rule, limit=limit + 1, offset=offset)
    is_last = len(found) <= limit
    items = [model_of(SdrModel, sdr) for sdr in found[:limit]]
    return SdrPage(items=items, next_offset=None if is_last else offset + limit)


@router.get("/sdrs/{sdr_id}", responses={404: _UNKNOWN})
def get_sdr(sdr_id: _Id, caller: ReadingKey, context: Context) -> SdrDetail:
    """One SDR with every step of its life."""
    steps = [model_of(TransitionModel, step) for step in context.signals.history(sdr_id)]
    return model_of(SdrDetail, context.signals.get(sdr_id), transitions=steps)


@router.post(
    "/sdrs/{sdr_id}/transitions",
    status_code=201,
    responses={404: _UNKNOWN, 409: {"model": Problem, "description": "Not a step of the lifecycle, or too late"}},
)
async def post_transition(
    sdr_id: _Id, wanted: TransitionRequest, caller: DecidingKey, context: Context
) -> TransitionModel:
    """Take an SDR to another state. Who (the API key), when and why are kept for good."""
    step = await run_in_threadpool(
        context.signals.transition,
        sdr_id,
        wanted.to_state,
        actor=f"{caller.name} [{caller.id}]",
        role=caller.role,
        reason=wanted.reason,
        at=context.clock(),
    )
    context.new_events.ring()
    return model_of(TransitionModel, step)


@router.get("/pairs", responses={404: _UNKNOWN})
def get_pair(
    caller: ReadingKey,
    context: Context,
    drug: Annotated[str, Query(min_length=1, max_length=512, pattern=NO_NUL)],
    reaction: Annotated[str, Query(min_length=1, max_length=512, pattern=NO_NUL)],
) -> PairSeries:
    """A pair over time, and at the newest look. A name outside the protocol is an error."""
    for name, known in ((drug, context.protocol.drugs), (reaction, context.protocol.reactions)):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            raise UnknownTermError(
                "the protocol's active set has no such name", hint=f"near: {', '.join(near)}" if near else ""
            )
    table = schema.pair_statistic
    query = select(table).where(table.c.drug == drug, table.c.reaction == reaction).order_by(table.c.epoch_end)
    with context.store.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(query)]
        overview = read_overview(connection, context.protocol, drug, reaction)
    points = [PairPoint.model_validate({**row, "rule_states": msgspec.json.decode(row["rule_states"])}) for row in rows]
    latest = None if overview is None else model_of(PairOverviewModel, overview)
    cell = context.protocol.cell(drug, reaction)
    bucket = None if cell is None else context.protocol.layout.bucket(cell)
    return PairSeries(drug=drug, reaction=reaction, bucket=bucket, latest=latest, points=points)
