"""What the hub does by itself: look at complete epochs, deliver events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from hub.api.context import HubContext
from hub.thread_work import finish_in_thread

__all__ = ["background_work"]

_log = logging.getLogger(__name__)

_EVALUATION_LOOK_SECONDS = 30.0  # epochs also become due by the clock
_DELIVERY_LOOK_SECONDS = 1.0
_AFTER_ERROR_SECONDS = 5.0


async def _evaluate(context: HubContext) -> None:
    grace = context.settings.hub.evaluation_grace_seconds
    sources = len(context.sites) if context.protocol.cohort is None else 1  # one sum stands for all
    epoch = await finish_in_thread(context.evaluator.due_epoch, sources, at=context.clock(), grace_seconds=grace)
    if epoch is None:
        await context.new_releases.wait(_EVALUATION_LOOK_SECONDS)
        return
    start = time.perf_counter()
    view = await finish_in_thread(context.evaluator.evaluate, epoch, at=context.clock())
    context.metrics.evaluation.observe(time.perf_counter() - start)
    context.metrics.flagged_buckets.set(len(view.residual))
    _log.info("epoch evaluated epoch=%d sites=%d raised=%d", epoch, len(view.totals.epochs), len(view.new_sdrs))
    context.new_events.ring()


async def _deliver(context: HubContext) -> None:
    if await context.deliverer.step() == 0:
        await context.new_events.wait(_DELIVERY_LOOK_SECONDS)


async def _forever(name: str, context: HubContext, work: Callable[[HubContext], Awaitable[None]]) -> None:
    while True:
        try:
            await work(context)
        except Exception as error:  # noqa: BLE001  edge of the process: a database that is away must not end the loop
            context.metrics.background_errors.labels(name).inc()
            _log.error("background work failed task=%s kind=%s", name, type(error).__name__)
            await asyncio.sleep(_AFTER_ERROR_SECONDS)


@asynccontextmanager
async def background_work(context: HubContext) -> AsyncIterator[None]:
    """Evaluation and delivery, for as long as the block runs; what they have begun in the database ends before it."""
    tasks = [
        asyncio.create_task(_forever("evaluation", context, _evaluate)),
        asyncio.create_task(_forever("delivery", context, _deliver)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
