"""Work in a thread: what it gives, what it raises, and that a cancelled task waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hub.thread_work import finish_in_thread


def test_it_gives_and_raises_what_the_work_does() -> None:
    assert asyncio.run(finish_in_thread(int, "12", base=8)) == 10
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(finish_in_thread(int, "x"))


def test_a_cancelled_task_ends_when_its_work_has_ended() -> None:
    has_begun, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        has_begun.set()
        may_end.wait(30)
        has_ended.set()

    async def play() -> None:
        task = asyncio.create_task(finish_in_thread(work))
        await asyncio.to_thread(has_begun.wait, 30)
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)  # turns of the loop, enough for the cancellation to arrive
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert has_ended.is_set()

    asyncio.run(play())
