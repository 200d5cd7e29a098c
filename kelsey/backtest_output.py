"""The files a back-test leaves: signals, pairs, releases, privacy, ingest, and the page."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kelsey.console import table
from kelsey.federation import Federation
from kelsey.federation_page import common_sections, privacy_notes
from kelsey.ingest_words import combine_tallies, ingest_rows
from kelsey.page import Fact, Page
from kelsey.signal_log import SIGNAL_COLUMNS
from kelsey.site_ending import SiteEnding
from kelsey.vaers_survey import VaersSurvey
from privacy.accounting import epsilon_from_mu
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from streams.pairs import pairs_frame

__all__ = ["BacktestSummary", "privacy_document", "write_outputs", "write_signals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestSummary:
    """What a back-test says when it is done."""

    out: str
    report_count: int
    ingest: Mapping[str, Any]
    signals: Mapping[str, int]
    releases: int
    epsilon: float | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def text(self) -> str:
        """For the terminal."""
        rows: list[tuple[str, Any]] = [
            *ingest_rows(self.ingest),
            *((f"SDRs, {view} view", count) for view, count in self.signals.items()),
            ("releases", self.releases),
        ]
        privacy = "no privacy: nothing left the sites" if self.epsilon is None else f"epsilon {self.epsilon:.3f} spent"
        rate = self.report_count / max(self.seconds, 1e-9)
        return f"{table(rows)}\n{privacy}; {self.seconds:.1f} s, {rate:,.0f} reports/s\n{self.out}/index.html"


def write_signals(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """`signals.csv`; "not known" is an empty field."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SIGNAL_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)


def privacy_document(protocol: SurveillanceProtocol | None, sites: Sequence[SiteEnding], epochs: int) -> dict[str, Any]:
    """`privacy.json`: under which guarantee what left the sites left them."""
    if protocol is None:
        return {"protocol": None, "statement": "No privacy: nothing left the sites; there is no hub view."}
    spec = ReleaseSpec.of(protocol)
    return {
        "statement": (
            "Each release stream is differentially private for one patient at one site, add or remove, over the whole "
            "era, adaptively. Patients known at several sites lose the sum: see docs/privacy.md."
        ),
        "protocol": json.loads(protocol.encode()),
        "protocol_hash": protocol.hash,
        "mu": spec.mu,
        "epsilon": epsilon_from_mu(spec.mu, protocol.delta),
        "delta": protocol.delta,
        "sigma_by_table": {
            name: {
                "sigma_lattice": entry.sigma,
                "mu": entry.mu,
                "running_total_sd_first": spec.running_total_sd(name, 0),
                "running_total_sd_last": spec.running_total_sd(name, epochs - 1),
            }
            for name, entry in spec.tables.items()
        },
        "spend": {site.name: {"budget": site.budget, "wallet": site.wallet} for site in sites},
    }


def write_outputs(
    out: Path,
    *,
    federation: Federation,
    sites: Sequence[SiteEnding],
    survey: VaersSurvey,
    history_used: bool,
    seconds: float,
) -> BacktestSummary:
    """Write all files of a back-test to `out` and return the summary."""
    ingest = combine_tallies(site.ingest for site in sites)
    ingest["sites"] = {site.name: site.ingest for site in sites}
    rows = federation.signal_rows()
    rows += [row for site in sites for row in site.signals]
    write_signals(out / "signals.csv", rows)
    pairs_frame(federation.pooled.table).write_parquet(out / "pairs.parquet")
    document = privacy_document(federation.protocol, sites, federation.calendar.count)
    (out / "privacy.json").write_text(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
    (out / "ingest.json").write_text(json.dumps(ingest, indent=2) + "\n")
    views = Counter(str(row["view"]) for row in rows)
    _page(federation, ingest, views, survey, history_used).write(out / "index.html")
    return BacktestSummary(
        out=str(out),
        report_count=ingest["read"],
        ingest=ingest,
        signals=dict(views),
        releases=federation.release_count,
        epsilon=document.get("epsilon"),
        seconds=seconds,
    )


def _page(
    federation: Federation, ingest: Mapping[str, Any], views: Mapping[str, int], survey: VaersSurvey, history_used: bool
) -> Page:
    protocol, unit = federation.protocol, federation.calendar.unit
    facts = [
        Fact(f"{ingest['read']:,}", "reports read"),
        Fact(f"{ingest['cases']:,}", "cases"),
        Fact(f"{sum(ingest['dead_letters'].values()):,}", "dead letters"),
        Fact(f"{views.get('pooled', 0):,}", "SDRs, exact pooled view"),
        Fact(f"{views.get('hub', 0):,}" if protocol else "-", "SDRs at the hub"),
        Fact(f"{protocol.epsilon:g}" if protocol else "none", "epsilon for the whole replay"),
    ]
    cells = (
        "The active cells are the products and terms of the earlier years given as history; a new product joins "
        "when it first appears, a term that is new does not. That assumes that a product's existence is public."
        if history_used
        else "The active cells are the products and terms that occur in the replayed files themselves. That "
        "assumes that the list of names (not which report holds them) is public, as it is for a published dictionary."
    )
    return Page(
        title="Kelsey back-test on VAERS",
        lead=(
            f"Reports received from {survey.first_day} to {survey.last_day}, replayed in order of the day received "
            f"through {len(federation.history.new_cases)} sites, {unit} by {unit}."
        ),
        facts=facts,
        sections=common_sections(federation),
        notes=[
            "VAERS takes reports of anything that followed a vaccination; no report proves that the vaccine caused it.",
            "An SDR (signal of disproportionate reporting) is a statistic. Only a person makes it a signal.",
            *([cells] if protocol else []),
            *privacy_notes(federation),
        ],
    )
