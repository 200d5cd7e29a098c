"""The worker process: settings, logging, health, Faust."""

from __future__ import annotations

import gc
import logging

import mode.loop

from streams.health_server import HealthServer
from streams.log_setup import set_up_logging
from streams.metrics import SiteMetrics
from streams.settings import SiteSettings

__all__ = ["run_worker"]

_GC_THRESHOLDS = (50_000, 20, 20)  # records are trees: the default takes a sixth of the time to look for cycles
_log = logging.getLogger("kelsey.worker")


def run_worker(settings: SiteSettings, *, metrics_listen: str | None = None) -> None:
    """Run intake and casebook until SIGTERM or SIGINT; ends the process through Faust's own exit.

    Raises `ConfigurationError` for settings that cannot be used. Where Kafka is absent Faust gives up after some
    seconds; the supervisor starts it again.
    """
    mode.loop.use("uvloop")  # before Faust makes a loop
    import faust

    from streams.app import StreamWorker

    gc.set_threshold(*_GC_THRESHOLDS)
    set_up_logging(settings.site.log_format)
    settings.data_directory.mkdir(parents=True, exist_ok=True)  # Faust makes the folder below it only
    metrics = SiteMetrics()
    worker = StreamWorker(settings, metrics=metrics)
    health = HealthServer(
        metrics_listen or settings.site.metrics_listen,
        registry=metrics.registry,
        is_alive=worker.is_alive,
        is_ready=worker.is_ready,
    )
    _log.info("worker of site %s starts", settings.site.id)
    try:
        faust.Worker(worker.app, override_logging=False, redirect_stdouts=False, quiet=True).execute_from_commandline()
    finally:
        health.close()
