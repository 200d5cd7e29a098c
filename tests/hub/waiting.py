"""Waiting for what another thread or process will do, without guessing how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, timeout_seconds: float = 30.0) -> T:
    """What `look` gives as soon as it gives something (not None, not empty); fails when it never does."""
    pause, end = threading.Event(), time.monotonic() + timeout_seconds
    while True:
        found = look()
        if found is not None and found != [] and found is not False:
            return found
        assert time.monotonic() < end, "it never happened"
        pause.wait(0.05)
