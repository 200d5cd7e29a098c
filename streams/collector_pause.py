"""No search for reference cycles while a batch is read: records are trees, and the search takes a sixth of the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Leave the cyclic garbage collector off for the block, if it is on; what the block allocates must be bounded."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
