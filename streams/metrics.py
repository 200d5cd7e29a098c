"""Every metric of a site, declared once. Labels are bounded; drug and event names are never labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cases import Case
from streams.budget import Budget

__all__ = ["SiteMetrics"]

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400)


class SiteMetrics:
    """Metrics of one process; each role shows those it knows about.

    Parameters
    ----------
    registry
        Where they are registered; one of its own for each process, and for each test.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self.records_read = Counter(
            "kelsey_records_read_total", "Records a source gave.", ["source"], registry=registry
        )
        self.cases = Counter("kelsey_cases_total", "Case versions by outcome.", ["outcome"], registry=registry)
        self.ignored = Counter(
            "kelsey_ignored_total", "Records rightly ignored, by reason.", ["reason"], registry=registry
        )
        self.dead_letters = Counter(
            "kelsey_dead_letters_total",
            "Records that cannot become a case, by reason.",
            ["reason"],
            registry=registry,
        )
        self.terms = Counter(
            "kelsey_terms_total",
            "Drugs and reactions by whether the vocabulary knows them.",
            ["kind", "state"],
            registry=registry,
        )
        self.case_seconds = Histogram(
            "kelsey_case_seconds", "Time from received by the site to counted.", buckets=_SECONDS, registry=registry
        )
        self.consumer_lag = Gauge(
            "kelsey_consumer_lag_messages", "Messages not yet applied.", ["topic", "partition"], registry=registry
        )
        self.live_cases = Gauge("kelsey_live_cases", "Live cases in the casebook.", registry=registry)
        self.drift_detections = Counter(
            "kelsey_drift_detections_total", "Changes of a product's reporting rate found.", registry=registry
        )
        self.drifting_products = Gauge(
            "kelsey_drifting_products", "Products whose reporting rate is changing.", registry=registry
        )
        self.pair_rises = Counter(
            "kelsey_pair_rate_rises_total",
            "Rises of a pair's reporting rate above its season found.",
            registry=registry,
        )
        self.rising_pairs = Gauge(
            "kelsey_pairs_with_changed_rate", "Pairs whose reporting rate has risen.", registry=registry
        )
        self.quality_changes = Counter(
            "kelsey_source_quality_changes_total",
            "Changes of a source's data quality found.",
            ["source", "indicator"],
            registry=registry,
        )
        self.source_anomaly = Gauge(
            "kelsey_source_anomaly_score",
            "How unusual a source's latest week is: minus log10 of the chance of it.",
            ["source"],
            registry=registry,
        )
        self.triage_auc = Gauge(
            "kelsey_triage_auc_ratio", "Running area under the ROC curve of the triage model.", registry=registry
        )
        self.triage_calibration = Gauge(
            "kelsey_triage_calibration_error_ratio",
            "How far triage scores lie from the share of serious cases, on average.",
            registry=registry,
        )
        self.wallet_exhausted = Gauge(
            "kelsey_wallet_exhausted_patients", "Patients whose privacy wallet is spent.", registry=registry
        )
        self.wallet_blocked = Counter(
            "kelsey_wallet_blocked_operations_total", "Contributions a wallet did not pay for.", registry=registry
        )
        self.wallet_lost = Gauge(
            "kelsey_wallet_lost_partitions",
            "Partitions that release nothing as their wallets were lost.",
            registry=registry,
        )
        self.epsilon_spent = Gauge("kelsey_budget_epsilon_spent", "Epsilon spent in the era.", registry=registry)
        self.epsilon_limit = Gauge("kelsey_budget_epsilon_limit", "Epsilon the protocol grants.", registry=registry)
        self.epochs_released = Gauge("kelsey_epochs_released", "Epochs sealed in the era.", registry=registry)
        self.epochs_planned = Gauge("kelsey_epochs_planned", "Epochs of the era.", registry=registry)
        self.releases = Counter(
            "kelsey_releases_total", "Releases by the step they reached.", ["state"], registry=registry
        )
        self.release_last_sent = Gauge(
            "kelsey_release_last_sent_timestamp_seconds", "When the hub last took a release.", registry=registry
        )
        self.source_last_success = Gauge(
            "kelsey_source_last_success_timestamp_seconds",
            "When a source was last read to its end.",
            ["source"],
            registry=registry,
        )
        self.source_errors = Counter(
            "kelsey_source_errors_total", "Failed attempts to read a source.", ["source"], registry=registry
        )

    def count_tally(self, counters: dict[str, int]) -> None:
        """Add what a batch adds to the tally (`streams.ingest_tally.changes`)."""
        for name, number in counters.items():
            group, _, reason = name.partition(".")
            if group == "ignored":
                self.ignored.labels(reason).inc(number)
                if reason == "nullification":
                    self.cases.labels("nullification").inc(number)
            elif group == "dead":
                self.dead_letters.labels(reason).inc(number)
            elif name == "superseded":
                self.cases.labels("superseded").inc(number)

    def count_case(self, case: Case) -> None:
        """Count an accepted case version and how its terms were mapped."""
        self.cases.labels("case").inc()
        for kind, mapped in (
            ("drug", [use.drug.is_mapped for use in case.drugs]),
            ("reaction", [item.reaction.is_mapped for item in case.reactions]),
        ):
            if hits := sum(mapped):
                self.terms.labels(kind, "mapped").inc(hits)
            if misses := len(mapped) - hits:
                self.terms.labels(kind, "unmapped").inc(misses)

    def show_budget(self, budget: Budget) -> None:
        """Show how the budget stands."""
        self.epsilon_spent.set(budget.epsilon_spent)
        self.epsilon_limit.set(budget.epsilon_limit)
        self.epochs_released.set(budget.epochs_released)
        self.epochs_planned.set(budget.epochs_planned)
