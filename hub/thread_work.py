"""Blocking work that is seen to its end: a task that is cancelled does not leave a thread behind in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["finish_in_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def finish_in_thread(work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `work` in a thread and give what it returns or raises; cancelled meanwhile, it ends only when `work` has.

    `asyncio.to_thread` would end at once while its thread goes on: a server that then closes its store would have a
    connection opened, or given back, after that.
    """
    running = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
