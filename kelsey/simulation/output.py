"""What `kelsey simulate` leaves in its folder: simulation.json, views.csv, bands.csv, plots, and the page."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from kelsey.page import Plot
from kelsey.simulation.page import BAND_NAMES, simulation_page
from kelsey.simulation.run import SimulationResult, ViewResult

__all__ = ["simulation_document", "write_simulation"]


def simulation_document(result: SimulationResult) -> dict[str, Any]:
    """The result under the names that ``--json`` prints; what cannot be told is None."""
    main, exact, held = result.main, result.exact, result.counts.wallets[result.wallet]
    outcome = main.outcome
    document = {
        "settings": asdict(result.settings),
        "reports": result.counts.reports,
        "patients": result.counts.patients,
        "pairs": result.counts.pairs,
        "weight_kept": held.kept_ratio,
        "weight_scale": held.scale_ratio,
        "recall": outcome.recall,
        "recall_nonprivate": exact.outcome.recall,
        "recall_ratio": outcome.recall / exact.outcome.recall if exact.outcome.recall > 0 else None,
        "fdr": outcome.fdr,
        "flagged": outcome.flagged,
        "rank_recall": outcome.rank_recall,
        "rank_recall_nonprivate": exact.outcome.rank_recall,
        "auc": outcome.auc,
        "auprc": outcome.auprc,
        "noise_factor_month_end": main.noise_factor,
        "noise_sd": main.noise_sd,
        "detectable_excess": main.detectable_excess,
        "coverage": outcome.ror_coverage,
        "coverage_rrr": outcome.rrr_coverage,
        "views": [_view(view) for view in result.views],
    }
    plain: dict[str, Any] = _without_nan(document)
    return plain


def write_simulation(result: SimulationResult, out: Path) -> dict[str, Any]:
    """Write the files to `out`, which is made if need be; gives `simulation_document`."""
    document, page = simulation_document(result), simulation_page(result)
    out.mkdir(parents=True, exist_ok=True)
    (out / "simulation.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    views = document["views"]
    columns = [name for name in views[0] if name != "band_recall"]
    _write_csv(out / "views.csv", columns, ([view[name] for name in columns] for view in views))
    key = ("study", "name", "epsilon", "cadence", "wallet_capacity", "wallet_operations", "margin_share")
    _write_csv(
        out / "bands.csv",
        [*key, "patients", "recall"],
        (
            [*(view[name] for name in key), band, recall]
            for view in views
            for band, recall in zip(BAND_NAMES, view["band_recall"], strict=True)
        ),
    )
    plots = [section for section in page.sections if isinstance(section, Plot)]
    for name, plot in zip(("recall", "bands"), plots, strict=False):
        (out / f"{name}.svg").write_text(plot.svg, encoding="utf-8")
    page.write(out / "index.html")
    return document


def _view(view: ViewResult) -> dict[str, Any]:
    return {
        "study": view.study,
        "name": view.name,
        "epsilon": view.epsilon,
        "cadence": view.cadence,
        "wallet_capacity": view.wallet.capacity,
        "wallet_operations": view.wallet.operation_limit,
        "margin_share": view.margin_share,
        "noise_sd": view.noise_sd,
        "noise_factor": view.noise_factor,
        "detectable_excess": view.detectable_excess,
        **asdict(view.outcome),
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
