"""What the online models of a worker's partitions found, as metrics."""

from __future__ import annotations

from collections.abc import Sequence

from streams.metrics import SiteMetrics
from streams.online_models import OnlineModels

__all__ = ["ShownModels", "show_models"]


class ShownModels:
    """The models of one partition and how many of their findings were counted in metrics already.

    What they found before they were loaded was counted by whoever held them then.
    """

    def __init__(self, models: OnlineModels) -> None:
        self.models = models
        self._drift = models.drift.detections
        self._pairs = models.pairs.detections
        self._quality = models.quality.detections

    def count(self, metrics: SiteMetrics) -> None:
        """Count what was found since the last time."""
        models = self.models
        metrics.drift_detections.inc(models.drift.detections - self._drift)
        metrics.pair_rises.inc(models.pairs.detections - self._pairs)
        fresh = models.quality.detections - self._quality
        for change in models.quality.recent_changes[-fresh:] if fresh else ():
            metrics.quality_changes.labels(change.source, change.indicator.value).inc()
        self._drift, self._pairs, self._quality = (
            models.drift.detections,
            models.pairs.detections,
            models.quality.detections,
        )


def show_models(metrics: SiteMetrics, partitions: Sequence[ShownModels]) -> None:
    """Bring gauges and counters of all partitions up to date; what no partition knows is left as it was."""
    held = [one.models for one in partitions]
    metrics.drifting_products.set(len({name for models in held for name in models.drift.drifting()}))
    metrics.rising_pairs.set(len({pair for models in held for pair in models.pairs.changed()}))
    scores: dict[str, float] = {}
    for models in held:
        for anomaly in models.quality.anomalies():
            scores[anomaly.source] = max(scores.get(anomaly.source, 0.0), anomaly.score)
    metrics.source_anomaly.clear()
    for source, score in scores.items():
        metrics.source_anomaly.labels(source).set(score)
    for one in partitions:
        one.count(metrics)
    aucs = [auc for models in held if (auc := models.triage.auc) is not None]
    if aucs:
        metrics.triage_auc.set(sum(aucs) / len(aucs))
    errors = [found.calibration_error for models in held if (found := models.triage.reliability) is not None]
    if errors:
        metrics.triage_calibration.set(sum(errors) / len(errors))
