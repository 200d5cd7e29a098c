"""Wakes those who wait for news, inside one event loop."""

from __future__ import annotations

import asyncio

__all__ = ["Bell"]


class Bell:
    """`ring` ends every `wait` that has begun; one that begins later waits for the next ring."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody; to be called in the event loop."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for a ring; False when the time passed without one."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
