"""Buckets on real reports: a quarter of FAERS, most of its pairs in buckets. Are those flagged that stand out?

Names of real drugs and reactions are not independent, so that buckets also stand out without any noise; the peer is
what the same buckets flag without it. Every patient has one report here, and every pair the same weight.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.shared_data import data_folder
from benchmarks.table import Row
from hub.flagged_buckets import FALSE_DISCOVERY_RATE, bucket_q_values
from hub.totals import joined_tables
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.residual_cells import ResidualCells
from privacy.table_layout import TableLayout

__all__ = ["run"]

_FILE = "faers_2022q3_case_drug_event.csv.gz"
_DRUGS, _ACTIVE, _BUCKETS = 3_000, 20_000, 1 << 16
_WEIGHT = 0.6  # of a pair, and of its drug and reaction, about what a wallet leaves
_REPORTS = 40  # of a pair that should be seen


def run() -> list[Row]:
    """Pairs with 40 reports and more in buckets: the share that is flagged, beside that without noise."""
    case, cell, layout = _reports()
    exact = _exact(case, cell, layout)
    quiet = _flagged(exact, layout, {"pair": 1e-3, "drug": 1e-3, "reaction": 1e-3}, np.random.default_rng(1))
    pairs, reports = np.unique(cell[~_is_active(cell, layout)], return_counts=True)
    residual = _residual(layout)
    strong = residual.buckets_of(pairs[reports >= _REPORTS])
    rows = []
    for epsilon in (3.0, 1.0):
        sd = _noise(epsilon)
        held = _flagged(exact, layout, sd, np.random.default_rng(2))
        largest = np.zeros(_BUCKETS)
        np.maximum.at(largest, residual.buckets_of(pairs), reports)
        what = (
            f"share flagged of {strong.size} pairs of FAERS with {_REPORTS} reports and more in buckets, epsilon "
            f"{epsilon:g} ({int(held.sum())} buckets, the largest pair of the median one has "
            f"{np.median(largest[held]):.0f} reports)"
        )
        ours, peer = float(held[strong].mean()), float(quiet[strong].mean())
        rows.append(
            Row(
                what=what, ours=ours, peer=f"without noise ({int(quiet.sum())} buckets)", peer_value=peer, unit="",
                ratio=ours / peer, reach="-", met=True,
            )
        )  # fmt: skip
    return rows


def _reports() -> tuple[NDArray[np.int64], NDArray[np.int64], TableLayout]:
    """Case and product cell of every distinct pair, and a layout whose active pairs are those most expected."""
    frame = pl.read_csv(data_folder("faers") / _FILE).unique()
    drugs = frame["drug"].value_counts().sort(["count", "drug"], descending=[True, False]).head(_DRUGS)["drug"].sort()
    reactions = frame["event"].unique().sort()
    frame = frame.filter(pl.col("drug").is_in(drugs.implode()))
    drug, reaction = (
        np.searchsorted(names.to_numpy(), frame[column].to_numpy())
        for names, column in ((drugs, "drug"), (reactions, "event"))
    )
    product = np.outer(np.bincount(drug), np.bincount(reaction, minlength=reactions.len())).ravel()
    active = np.sort(np.argsort(product, kind="stable")[-_ACTIVE:]).astype(np.int64)
    layout = TableLayout(drugs.len(), reactions.len(), ResidualCells(active, _BUCKETS, "a quarter of FAERS"))
    case = frame["caseid"].rank("dense").to_numpy().astype(np.int64)
    return case, (drug * reactions.len() + reaction).astype(np.int64), layout


def _exact(case: NDArray[np.int64], cell: NDArray[np.int64], layout: TableLayout) -> dict[str, NDArray[np.float64]]:
    """Tables in which a case counts once in each place."""
    places = {
        "pair": (_residual(layout).positions(cell), layout.cells),
        "drug": (cell // layout.reactions, layout.drugs),
        "reaction": (cell % layout.reactions, layout.reactions),
    }
    return {
        name: np.bincount(np.unique(case * size + place) % size, minlength=size).astype(np.float64) * _WEIGHT
        for name, (place, size) in places.items()
    }


def _noise(epsilon: float) -> dict[str, float]:
    """Of one release of the whole."""
    spec = ReleaseSpec.of(
        SurveillanceProtocol(
            name="faers", version="1", era="one", vocabulary="published@1", drugs=("a",), reactions=("b",),
            calendar=EpochCalendar("month", date(2022, 7, 1), 1), epsilon=epsilon, delta=1e-6,
        )
    )  # fmt: skip
    return {name: spec.running_total_sd(name, 0) for name in spec.tables}


def _flagged(
    exact: dict[str, NDArray[np.float64]], layout: TableLayout, sd: dict[str, float], random: np.random.Generator
) -> NDArray[np.bool_]:
    noisy = {name: values + random.normal(0.0, sd[name], values.shape) for name, values in exact.items()}
    variance = {name: value * value for name, value in sd.items()}
    totals = joined_tables(noisy, variance=variance, epochs={}, residual=layout.residual)
    return np.asarray(bucket_q_values(totals, weight_ratio=_WEIGHT)[1] <= FALSE_DISCOVERY_RATE)


def _residual(layout: TableLayout) -> ResidualCells:
    assert layout.residual is not None
    return layout.residual


def _is_active(cell: NDArray[np.int64], layout: TableLayout) -> NDArray[np.bool_]:
    return np.asarray(_residual(layout).positions(cell) < layout.active.size)
