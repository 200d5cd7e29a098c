"""`kelsey sequential`: the numbers of the Python API, in words and as JSON; the row of what cannot be."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from detectors.sequential import (
    ConditionalMaxSprt,
    PoissonEProcess,
    PoissonMaxSprt,
    ProspectiveExpectation,
    SpendingBoundary,
    SpendingFunction,
    conditional_max_sprt,
    poisson_max_sprt,
)
from kelsey.cli import cli

PERIODS = "day,observed,exposure\n2025-01-28,2,900\n2025-02-28,4,900\n20250328,9,900\n"
COUNTS = ("--baseline-events", "40", "--baseline-exposure", "20000")
HISTORY = ProspectiveExpectation.from_history(events=40, exposure=20_000, last_day=date(2024, 12, 31))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["sequential", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def facts(*arguments: str) -> dict[str, Any]:
    code, out = run(*arguments, "--json")
    assert code == 0, out
    values: dict[str, Any] = json.loads(out)
    return values


def watched(tmp_path: Path, text: str, *options: str, until: str = "2024-12-31") -> tuple[str, ...]:
    path = tmp_path / "periods.csv"
    path.write_text(text)
    return ("watch", str(path), "--alpha", "0.05", "--baseline-until", until, *options)


def test_boundaries() -> None:
    assert run("poisson", "--alpha", "0.05", "--length", "20") == (
        0,
        "critical value  3.628123016  (log likelihood ratio, signal at or above)\n"
        "alpha spent     0.05  (of 0.05)\n",
    )  # fmt: skip
    found = facts("poisson", "--alpha", "0.05", "--length", "17", "--groups", "5,6,6")
    exact = poisson_max_sprt(alpha=0.05, length=17, groups=[5, 6, 6])
    assert (found["critical_value"], found["alpha_spent"]) == (exact.critical_value, exact.alpha_spent)
    found = facts("binomial", "--alpha", "0.05", "--length", "60", "--ratio", "3", "--minimum-events", "4")
    assert {"test", "alpha", "length", "ratio", "minimum_events", "delay", "groups", "critical_value"} < set(found)
    by_exposure = ("--events", "20", "--length-ratio", "0.5", "--delay-ratio", "0.1")
    found = facts("conditional", "--alpha", "0.05", *by_exposure)
    exact = conditional_max_sprt(alpha=0.05, events=20, length_ratio=0.5, delay_ratio=0.1)
    assert (found["critical_value"], found["alpha_spent"]) == (exact.critical_value, exact.alpha_spent)
    assert found["cases"] is None
    assert "3.312357" in run("conditional", "--alpha", "0.05", "--events", "20", "--cases", "20")[1]
    code, out = run("conditional", "--alpha", "0.05", "--events", "20")
    assert (code, out.count("\n")) == (1, 1)
    assert "either cases or length_ratio" in out


def test_spending() -> None:
    design = ("--alpha", "0.05", "--length", "17", "--groups", "5,6,6", "--family", "power", "--rho", "2")
    boundary = SpendingBoundary(alpha=0.05, length=17, spending=SpendingFunction(family="power", rho=2.0))
    counts = [boundary.look(size).signal_count for size in (5, 6, 6)]
    found = facts("spending", *design)
    assert [look["signal_count"] for look in found["looks"]] == counts
    assert found["alpha_spent"] == found["looks"][-1]["alpha_spent"] == boundary.last.alpha_spent <= 0.05
    assert [line.split()[1] for line in run("spending", *design)[1].splitlines()[1:]] == [str(each) for each in counts]
    few = ("--alpha", "0.05", "--length", "20", "--groups", "2,18", "--ratio", "1")
    assert "none may" in run("spending", *few)[1]
    assert "ratio must be above 0" in run("spending", *few[:-1], "0")[1]


def test_periods_are_watched_by_each_test(tmp_path: Path) -> None:
    options = watched(tmp_path, PERIODS, *COUNTS, "--length", "20")
    evidence = PoissonEProcess(expectation=HISTORY, alpha=0.05)
    ratio = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=20)
    found = facts(*options)
    for row, (month, count) in zip(found["periods"], [(1, 2), (2, 4), (3, 9)], strict=True):
        status = evidence.update(date(2025, month, 28), observed=count, exposure=900)
        assert (row["p_value"], row["log_e_value"]) == (status.p_value, status.log_e_value)
        assert (row["ratio_lower"], row["ratio_upper"]) == (status.ratio.lower, status.ratio.upper)
        assert row["llr"] == ratio.update(date(2025, month, 28), observed=count, exposure=900).llr
    assert found["e_process"]["signalled_on"] == found["max_sprt"]["signalled_on"] == "2025-03-28"
    assert found["expectation"]["last_day"] == "2024-12-31"
    code, out = run(*options)
    assert code == 0
    assert "anytime-valid: signal on 2025-03-28; p = 0.01008" in out
    assert "MaxSPRT: signal on 2025-03-28; critical value 3.62812, 14.6 of 20 left" in out
    by_cases = facts(*watched(tmp_path, PERIODS, *COUNTS, "--cases", "20"))
    conditional = ConditionalMaxSprt(expectation=HISTORY, alpha=0.05, cases=20)
    assert by_cases["max_sprt"]["critical_value"] == conditional.boundary.critical_value


def test_a_rate_and_expected_counts_need_their_source(tmp_path: Path) -> None:
    by_counts = facts(*watched(tmp_path, PERIODS, *COUNTS))
    by_rate = facts(*watched(tmp_path, PERIODS, "--rate", "0.002", "--source", "a study of 2020"))
    expected = "day,observed,expected\n2025-01-28,2,1.8\n2025-02-28,4,1.8\n2025-03-28,9,1.8\n"
    by_table = facts(*watched(tmp_path, expected, "--source", "a protocol"))
    values = [[row["log_e_value"] for row in each["periods"]] for each in (by_counts, by_rate, by_table)]
    assert values[1:] == [pytest.approx(values[0])] * 2
    assert (by_counts["max_sprt"], by_table["expectation"]["source"]) == (None, "a protocol")
    for text, options, message in [
        (PERIODS, ("--rate", "0.002"), "a rate needs a source"),
        (PERIODS, (), "either the counts of the baseline or a rate"),
        (PERIODS, (*COUNTS, "--rate", "0.002"), "either the counts of the baseline or a rate"),
        (PERIODS, COUNTS[:2], "both"),
        (expected, (), "needs a source"),
        (expected, COUNTS, "takes no counts"),
        (expected, ("--source", "a protocol", "--cases", "9"), "counts of a history, not from a stated rate"),
    ]:
        code, out = run(*watched(tmp_path, text, *options))
        assert (code, out.count("\n")) == (1, 1)
        assert message in out


def test_nothing_known_is_null(tmp_path: Path) -> None:
    found = facts(*watched(tmp_path, "day,observed,exposure\n2025-01-28,0,0\n", *COUNTS))
    assert found["periods"][0]["ratio"] is None
    assert found["periods"][0]["p_value"] == 1
    assert math.isclose(found["periods"][0]["log_e_value"], 0, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2025-02-28,-1,900", "row 3: observed must be at least 0, not '-1'"),
        ("2025-02-28,1.5,900", "row 3: observed must be a whole number, not '1.5'"),
        ("2025-02-28,,900", "row 3: observed has no value"),
        ("2025-02-28,1,-3", "row 3: exposure must be finite and at least 0, not '-3'"),
        ("2025-02-28,1,inf", "row 3: exposure must be finite"), ("2025-02-28,1,x", "row 3: exposure must be a number"),
        ("2025-02-28,1,", "row 3: exposure has no value"), (",1,900", "row 3: day has no value"),
        ("2025-02-30,1,900", "row 3: day must be a day"),
        ("2025-01-28,1,900", "row 3: days must rise: 2025-01-28 does not come after 2025-01-28"),
        ("2024-02-28,1,900", "row 3: days must rise"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(tmp_path: Path, row: str, message: str) -> None:
    code, out = run(*watched(tmp_path, f"day,observed,exposure\n2025-01-28,2,900\n{row}\n", *COUNTS))
    assert (code, out.count("\n")) == (1, 1)
    assert message in out


def test_a_period_inside_the_baseline_is_named(tmp_path: Path) -> None:
    code, out = run(*watched(tmp_path, PERIODS, *COUNTS, until="2025-01-28"))
    assert code == 1
    assert "row 2: the period from 2025-01-28 begins in or before the baseline, which ended on 2025-01-28" in out
    begun = "day,observed,exposure,first_day\n2025-01-28,2,900,2024-12-28\n"
    assert "row 2: the period from 2024-12-28 begins in or before" in run(*watched(tmp_path, begun, *COUNTS))[1]
    assert run(*watched(tmp_path, begun.replace("2024-12-28", ""), *COUNTS))[0] == 1  # no row has one
    both = "day,observed,exposure,expected\n2025-01-28,2,900,2\n"
    assert "expected or exposure is needed, and not both" in run(*watched(tmp_path, both, *COUNTS))[1]
    assert run(*watched(tmp_path, PERIODS, *COUNTS, "--length", "9", "--cases", "9"))[0] == 2
