"""The demonstration's three views of one year: what is counted as found, as false, and with how much noise."""

from __future__ import annotations

import io
from datetime import date
from math import sqrt
from typing import Any

import pytest

from connectors.generator import ConfounderKind, PlantedConfounder, PlantedPair
from kelsey.demo_views import SumView, sum_table, views_table
from kelsey.federation import Federation
from kelsey.signal_log import FirstSignal
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec

PLANTED = [PlantedPair("A", "R", 8.0), PlantedPair("B", "R", 2.0)]
CONFOUNDED = [PlantedConfounder("A", "S", ConfounderKind.AGE)]


def protocol(**more: Any) -> SurveillanceProtocol:
    return SurveillanceProtocol(
        name="test", version="1", era="2026", vocabulary="v@1", drugs=("A", "B"), reactions=("R", "S"),
        calendar=EpochCalendar("month", date(2026, 1, 1), 12), epsilon=3.0, delta=1e-6, **more,
    )  # fmt: skip


OF_SUMS = protocol(trust_mode="secure-sum", minimum_cohort=10, honest_fraction=0.8)


def sdr(drug: str, reaction: str, *, first: str, last: int, **statistic: float | None) -> dict[str, Any]:
    return {
        "drug": drug,
        "reaction": reaction,
        "first_date": first,
        "last_epoch": last,
        "statistic": {"n": 30.0, "n_sd": 4.9, "expected": None, "ror": None, "ror_lower": None, "ror_upper": None}
        | statistic,
    }


SDRS = [
    sdr("A", "S", first="2026-03-31", last=5, z=5.0),
    sdr("A", "R", first="2026-06-30", last=11, z=4.5, expected=8.0, ror=3.25, ror_lower=1.5),
    sdr("A", "R", first="2026-02-28", last=9, z=9.0),  # by another rule, sooner, which holds no more
    sdr("B", "S", first="2026-12-31", last=11, z=None),
    sdr("B", "R", first="2026-12-31", last=11, z=4.9, ror=2.0, ror_lower=1.25, ror_upper=4.0),
]


@pytest.fixture
def summed() -> SumView:
    return SumView.of(SDRS, protocol=OF_SUMS, sites=10)


def test_a_pair_is_found_by_its_first_rule_and_held_by_its_last(summed: SumView) -> None:
    assert summed.first["A", "R"] == date(2026, 2, 28)
    assert summed.held == {("A", "R"), ("B", "R"), ("B", "S")}
    assert set(summed.first) == summed.held | {("A", "S")}


def test_the_sum_is_listed_as_it_stands_at_the_end_strongest_first(summed: SumView) -> None:
    assert sum_table(summed, PLANTED).rows == [
        ("B", "R", "2026-12-31", "30.0 ± 4.9", "-", "2.00 (1.25 to 4.00)", "yes"),
        ("A", "R", "2026-02-28", "30.0 ± 4.9", "8.0", "3.25 (1.50 to ∞)", "yes"),
        ("B", "S", "2026-12-31", "30.0 ± 4.9", "-", "not enough information", "no"),
    ]


def test_the_three_views_are_counted_alike(summed: SumView) -> None:
    per_site = protocol()
    federation = Federation(
        calendar=per_site.calendar, rules={}, protocol=per_site, site_keys={}, releases=io.BytesIO()
    )
    signal = FirstSignal(first_date=date(2026, 1, 31), rules=("evans",), reports=5.0, measures={})
    for log, ever, held in (
        (federation.pooled.log, ("AR", "BR", "AS", "BS"), ("AR", "BR", "AS")),
        (federation.hub_log, ("AR", "BS"), ("AR",)),
    ):
        log.first.update({(pair[0], pair[1]): signal for pair in ever})
        log.held.update((pair[0], pair[1]) for pair in held)
    table = views_table(federation, summed, planted=PLANTED, confounders=CONFOUNDED)
    federation.close()
    views = list(zip(*table.rows, strict=True))[1:]
    counts = [view[2:] for view in views]
    assert counts == [
        ("3", "2", "1", "4", "2", "1"),
        ("1", "1", "0", "2", "1", "0"),
        ("3", "2", "0", "4", "2", "1"),
    ]
    one = ReleaseSpec.of(per_site).running_total_sd("pair", 11)  # the same budget, so the same noise of one draw
    assert views[0][:2] == ("none", "-")
    for (sd, excess, *_), draws in zip(views[1:], (10, 10 / 8), strict=True):  # ten add theirs, eight would do
        assert float(sd) == pytest.approx(sqrt(draws) * one, abs=0.05)
        assert float(excess) == pytest.approx(4.1 * sqrt(10 + float(excess) + draws * one**2), abs=1)
    assert set(table.numeric) <= set(table.header)
