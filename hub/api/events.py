"""Server-sent events: every change of an SDR as it happens, resumable."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from hub.api.access import DecidingKey
from hub.api.context import Context, HubContext
from hub.api.problems import ProblemError
from hub.cloud_event import encode_cloud_event
from hub.event_log import EventLog, SdrEvent

__all__ = ["router", "stream_events"]

router = APIRouter(prefix="/v1", tags=["events"])

_LOOK_SECONDS = 1.0  # how soon events of another hub process, a leaving client and a stop are noticed
_RETRY_MILLISECONDS = 5000
_log = EventLog()


@router.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream_events(
    request: Request,
    caller: DecidingKey,
    context: Context,
    after: Annotated[int | None, Query(ge=0, description="Start after this event id; 0 is the beginning")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """A stream of CloudEvents, one an SDR event. `Last-Event-ID` resumes; without it, the stream starts now."""
    start = after
    if last_event_id is not None:
        if not (last_event_id.isdigit() and len(last_event_id) < 19):
            raise ProblemError(422, "invalid-request", "Last-Event-ID must be the id of an event")
        start = int(last_event_id)
    if start is None:
        start = await run_in_threadpool(_last_id, context)
    return StreamingResponse(
        _stream(request, context, start),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _stream(request: Request, context: HubContext, last: int) -> AsyncIterator[bytes]:
    heartbeat = context.settings.hub.heartbeat_seconds
    context.metrics.stream_clients.inc()
    try:
        yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
        spoken = time.monotonic()
        while not (context.is_stopping or await request.is_disconnected()):
            events = await run_in_threadpool(_after, context, last)
            for event in events:
                body = encode_cloud_event(event, source=context.settings.hub.public_url, protocol=context.protocol)
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.type.encode(), body)
                last, spoken = event.id, time.monotonic()
            if events:
                continue
            quiet = time.monotonic() - spoken
            if quiet >= heartbeat:
                yield b": heartbeat\n\n"
                spoken, quiet = time.monotonic(), 0.0
            await context.new_events.wait(min(_LOOK_SECONDS, heartbeat - quiet))
    finally:
        context.metrics.stream_clients.dec()


def _last_id(context: HubContext) -> int:
    with context.store.read() as connection:
        return _log.last_id(connection)


def _after(context: HubContext, last: int) -> list[SdrEvent]:
    with context.store.read() as connection:
        return _log.after(connection, last)
