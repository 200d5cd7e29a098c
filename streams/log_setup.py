"""Logging of every process that serves: one line a record, identifiers only, and no floods.

A broker that is away makes client libraries write thousands of lines a minute; each kind of line is let through once
in ten seconds.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["RateLimit", "set_up_logging"]

_FOREIGN = ("aiokafka", "faust", "mode", "kafka", "httpx", "httpcore")
_REPEAT_SECONDS = 10.0
_KINDS_LIMIT = 1000


class RateLimit(logging.Filter):
    """Lets each kind of line (logger, level and unformatted text) pass once in `seconds`.

    Our own lines always pass.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._last: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line passes."""
        if record.name.split(".", 1)[0] not in _FOREIGN:
            return True
        now, kind = self._clock(), (record.name, record.levelno, str(record.msg)[:80])
        if now - self._last.get(kind, -self._seconds) < self._seconds:
            return False
        if len(self._last) >= _KINDS_LIMIT:
            self._last.clear()
        self._last[kind] = now
        return True


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatException(self, ei: object) -> str:
        """Name of the error only: the text of a foreign exception may quote what it choked on."""
        kind = ei[0] if isinstance(ei, tuple) else None
        return f"  {getattr(kind, '__name__', 'error')}"


def set_up_logging(log_format: str, *, level: int = logging.INFO) -> None:
    """Send all logging of the process to standard error, as ``text`` or ``json`` lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    handler.addFilter(RateLimit(_REPEAT_SECONDS))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _FOREIGN:
        logging.getLogger(name).setLevel(logging.WARNING)
