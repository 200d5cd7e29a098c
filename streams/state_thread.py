"""The one thread that touches a worker's stores, counts and models.

The event loop must go on turning (heartbeats, fetching) while a batch is folded and written; and state that one thread
alone touches needs no locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Result", "StateThread"]

Result = TypeVar("Result")


class StateThread:
    """Runs jobs one after the other, in the order they were given."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kelsey-state")

    async def run(self, job: Callable[[], Result]) -> Result:
        """What `job` gives, or raises, when its turn has come."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, job)

    def close(self) -> None:
        """Wait for the jobs given so far, and take no more."""
        self._pool.shutdown(wait=True)
