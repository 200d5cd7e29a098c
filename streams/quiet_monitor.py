"""Faust's monitor without its work for every message: nobody reads those statistics, ours are `streams.metrics`."""

from __future__ import annotations

from typing import Any

import faust

__all__ = ["QuietMonitor"]


class QuietMonitor(faust.Monitor):
    """A monitor that looks away; what happens once in a while is still noted as Faust does it."""

    def on_message_in(self, *_: Any) -> None:
        """Note nothing."""

    def on_message_out(self, *_: Any) -> None:
        """Note nothing."""

    def on_stream_event_in(self, *_: Any) -> None:
        """Note nothing."""

    def on_stream_event_out(self, *_: Any) -> None:
        """Note nothing."""

    def track_tp_end_offset(self, *_: Any) -> None:
        """Note nothing."""
