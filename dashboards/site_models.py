"""Panels of a site's online models: rates that change, sources that change, how good the triage is."""

from __future__ import annotations

from dashboards.panels import AnyPanel, prom, series

__all__ = ["model_panels"]

_JOB = '{job=~"$job"}'
_AMBER, _RED = "orange", "red"


def model_panels() -> list[AnyPanel]:
    """Rates of products and pairs, data quality of sources, triage."""
    return [
        series(
            "Drift detections",
            "Products whose reporting rate changed, detections a day. A burst across products usually means a change "
            "in the data feed, not in medicine.",
            "short",
            prom(f"sum(increase(kelsey_drift_detections_total{_JOB}[24h]))", "detections"),
            steps=[(None, "transparent"), (20, _AMBER)],
        ),
        series(
            "Products in drift",
            "Products whose reporting rate is at present away from its past.",
            "short",
            prom(f"sum(kelsey_drifting_products{_JOB})", "products"),
        ),
        series(
            "Pairs reported more",
            "Drug-reaction pairs found reported more than their own season lets one expect, a day. "
            "A rise is no safety signal by itself.",
            "short",
            prom(f"sum(increase(kelsey_pair_rate_rises_total{_JOB}[24h]))", "found a day"),
            prom(f"sum(kelsey_pairs_with_changed_rate{_JOB})", "above at present"),
        ),
        series(
            "Data quality changes",
            "Changes of what a source leaves out, what cannot be coded, how late and how much it sends, a week.",
            "short",
            prom(
                f"sum by (source, indicator) (increase(kelsey_source_quality_changes_total{_JOB}[7d]))",
                "{{source}} {{indicator}}",
            ),
        ),
        series(
            "How unusual each source is",
            "Minus log10 of the chance of a source's latest week, judged by its own past: 2 is seen once in a hundred "
            "weeks.",
            "short",
            prom(f"max by (source) (kelsey_source_anomaly_score{_JOB})", "{{source}}"),
            steps=[(None, "transparent"), (4, _AMBER)],
        ),
        series(
            "Triage AUC",
            "How well seriousness is foreseen before it is known (score, then learn); 0.5 is chance.",
            "percentunit",
            prom(f"kelsey_triage_auc_ratio{_JOB} > 0", "{{instance}}"),
            steps=[(None, _RED), (0.6, "transparent")],
            low=0.4,
            high=1.0,
        ),
        series(
            "Triage calibration error",
            "How far the scores lie from the share of cases that were serious, on average over the last 1,000 cases.",
            "percentunit",
            prom(f"kelsey_triage_calibration_error_ratio{_JOB}", "{{instance}}"),
            steps=[(None, "transparent"), (0.1, _AMBER)],
            low=0.0,
        ),
    ]
