"""The demonstration's page: what every page shows, and what was planted beside what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.generator import PlantedConfounder, PlantedPair
from kelsey.demo_views import SumView, sum_table, views_table
from kelsey.federation import Federation
from kelsey.federation_page import common_sections, privacy_notes
from kelsey.ingest_words import ingest_rows
from kelsey.page import Fact, Page, Plot, Table
from kelsey.plots import recall_plot
from streams.embedded import EmbeddedSite

__all__ = ["demo_page"]

_NUMBERS = {3: "three", 12: "twelve"}
_ON_SUMS = (
    "The secure sum was played as on fifteen computers: each site gave two aggregators shares that alone are random "
    "numbers, and the hub put together the sum of all sites, with one draw of noise where each site otherwise adds its "
    "own. Both hubs worked under the same privacy budget. Where nothing else is said, counts, intervals and noise on "
    "this page are of the hub with noise from every site."
)


def demo_page(
    federation: Federation,
    *,
    ingest: Mapping[str, Any],
    planted: Sequence[PlantedPair],
    confounders: Sequence[PlantedConfounder],
    found: Mapping[str, Sequence[int]],
    sites: Mapping[str, EmbeddedSite],
    summed: SumView | None = None,
) -> Page:
    """The page; `found` holds, by view, how many planted pairs were raised by the end of each epoch.

    `summed` is what the hub of a secure sum raised; None where there was none.
    """
    exact, noisy, *of_sum = (counts[-1] for counts in found.values())
    hub = "the hub" if summed is None else "the hub, with noise from every site"
    sections = common_sections(federation)
    return Page(
        title=f"A made-up year at {_NUMBERS.get(len(sites), len(sites))} hospitals",
        lead=(
            "Every record, patient and association on this page is made up. The sites, the noise and the hub are "
            "the real ones: records stay at their site, and the hub knows only what the signed releases hold."
        ),
        facts=[
            Fact(f"{ingest['read']:,}", "records read"),
            Fact(f"{ingest['cases']:,}", "cases"),
            Fact(f"{sum(ingest['dead_letters'].values()):,}", "dead letters"),
            Fact(
                f"{federation.release_count:,}", f"releases left the sites{'' if summed is None else ', to that hub'}"
            ),
            Fact(f"{len(federation.hub_log.first):,}", f"SDRs ever raised at {hub}"),
            *(
                Fact(f"{count} of {len(planted)}", "planted pairs found in the secure sum of the same sites")
                for count in of_sum
            ),
            Fact(f"{noisy} of {len(planted)}", f"planted pairs found at {hub} ({exact} with all records in one place)"),
        ],
        sections=[
            *sections[:1],
            _ingest(ingest),
            *([] if summed is None else _of_sum(federation, summed, planted, confounders)),
            *sections[1:],
            _recall(federation, planted, found),
            _planted(federation, planted, summed),
            _triage(sites),
        ],
        notes=[
            "An SDR (signal of disproportionate reporting) is a statistic. Only a person makes it a signal.",
            "Planted confounders (a drug given mainly to patients in whom the reaction is common anyway, or together "
            "with the true culprit) are raised too, in every view: disproportionality does not know causes.",
            *privacy_notes(federation),
            *([] if summed is None else [_ON_SUMS]),
        ],
    )


def _of_sum(
    federation: Federation,
    summed: SumView,
    planted: Sequence[PlantedPair],
    confounders: Sequence[PlantedConfounder],
) -> list[Table]:
    return [views_table(federation, summed, planted=planted, confounders=confounders), sum_table(summed, planted)]


def _ingest(ingest: Mapping[str, Any]) -> Table:
    read, *parts = [(what, f"{count:,}") for what, count in ingest_rows(ingest)]
    return Table(
        "Where every record went",
        ["what became of it", "records"],
        [*parts, read],
        "The lines above the last add up to it.",
        frozenset({"records"}),
    )


def _recall(federation: Federation, planted: Sequence[PlantedPair], found: Mapping[str, Sequence[int]]) -> Plot:
    days = [federation.calendar.last_day(epoch) for epoch in range(federation.calendar.count)]
    last = ", ".join(f"{view}: {counts[-1]}" for view, counts in found.items())
    return Plot(
        "How many of the planted associations were found, and when",
        recall_plot(days, found, planted=len(planted)),
        "The gap between the lines is the price of privacy at this size; it closes as more patients are seen.",
        f"Step plot over {len(days)} epochs. Of {len(planted)} planted pairs at the end: {last}.",
    )


def _planted(federation: Federation, planted: Sequence[PlantedPair], summed: SumView | None) -> Table:
    pooled, hub = federation.pooled.log.first, federation.hub_log.first
    rows = []
    for pair in sorted(planted, key=lambda pair: (pair.drug, pair.reaction)):
        key = (pair.drug, pair.reaction)
        cell = federation.pooled.table.pair(*key)
        rows.append(
            (
                pair.drug,
                pair.reaction,
                f"{pair.ratio:g}",
                f"{cell.n:,}",
                f"{cell.expected:.1f}",
                pooled[key].first_date.isoformat() if key in pooled else "not found",
                hub[key].first_date.isoformat() if key in hub else "not found",
                *([] if summed is None else [found.isoformat() if (found := summed.first.get(key)) else "not found"]),
            )
        )
    return Table(
        "What was planted",
        [
            "drug",
            "reaction",
            "planted rate ratio",
            "reports",
            "expected",
            "found with all records",
            "found at the hub" if summed is None else "found with noise from every site",
            *([] if summed is None else ["found in the secure sum"]),
        ],
        rows,
        numeric=frozenset({"planted rate ratio", "reports", "expected"}),
    )


def _triage(sites: Mapping[str, EmbeddedSite]) -> Table:
    rows = [
        (
            name,
            f"{site.table.report_count:,}",
            "not enough cases" if site.triage.auc is None else f"{site.triage.auc:.3f}",
        )
        for name, site in sites.items()
    ]
    return Table(
        "The triage model at each site",
        ["site", "counted reports", "AUC, score first and learn after"],
        rows,
        "Predicts from structured fields and narrative whether a case is serious; 0.5 would be guessing. It never "
        "leaves the site.",
        frozenset({"counted reports", "AUC, score first and learn after"}),
    )
