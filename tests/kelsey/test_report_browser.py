"""The report in a real browser: no sideways scrolling, no cut, tiny or overlapping text, on a desk and a telephone."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from kelsey.cli import cli
from kelsey.page import Page, Plot
from kelsey.plots import ForestRow, budget_plot, forest_plot, recall_plot
from tests.kelsey.report_page import ODD_DRUGS, ODD_REACTIONS, ReadPage, made_up, run_report, write_csv
from tests.kelsey.vaers_oracle import count_vaers
from tests.services.chromium_browser import ChromiumBrowser

SMALLEST_PIXELS = 10


def check(browser: ChromiumBrowser, page: Path, *, plots: int) -> None:
    for width in (1280, 400):
        seen = browser.measure(page, width=width)
        assert seen.closed <= seen.width
        assert seen.open <= seen.width
        assert seen.plots == plots  # one layout of each, never both
        assert seen.smallest >= SMALLEST_PIXELS
        assert seen.outside == []
        assert seen.overlapping == []


def vaers_table(path: Path, year: Path) -> Path:
    """One year of VAERS as a table of reports: product names and coded terms as published."""
    with zipfile.ZipFile(year) as archive:
        files = {name[4:-4]: archive.read(name).decode("latin-1") for name in archive.namelist()}
    tables = {name: pl.read_csv(io.StringIO(text), infer_schema=False) for name, text in files.items()}
    days = tables["VAERSDATA"].select("VAERS_ID", date=pl.col("RECVDATE").str.to_date("%m/%d/%Y"))
    drugs = tables["VAERSVAX"].select("VAERS_ID", drug=pl.col("VAX_NAME").str.strip_chars())
    terms = tables["VAERSSYMPTOMS"].unpivot(
        [f"SYMPTOM{k}" for k in range(1, 6)], index="VAERS_ID", value_name="reaction"
    )
    frame = days.join(drugs, on="VAERS_ID").join(terms.drop("variable"), on="VAERS_ID").rename({"VAERS_ID": "case_id"})
    frame.drop_nulls().filter(pl.col("reaction").str.strip_chars() != "", pl.col("drug") != "").write_csv(path)
    return path


@pytest.mark.parametrize(
    ("rows", "plots"),
    [
        (made_up(ODD_DRUGS, ODD_REACTIONS), 5),
        ([("1", "a", "x", "2024-01-01")], 4),
        ([(f"{pair}{number}", *pair, "2024-01-01") for pair in ("ax", "by") for number in range(12_345)], 5),
    ],
    ids=["odd names", "one pair", "many reports"],
)
def test_any_names_and_a_single_pair(
    chromium: ChromiumBrowser, tmp_path: Path, rows: list[tuple[str, str, str, str]], plots: int
) -> None:
    code, output, page = run_report(write_csv(tmp_path / "r.csv", "case_id,drug,reaction,date", rows))
    assert code == 0, output
    check(chromium, page, plots=plots)


def test_plots_without_a_narrow_layout_scroll_in_a_box_of_their_own(chromium: ChromiumBrowser, tmp_path: Path) -> None:
    days = [date(2026, 1, 31), date(2026, 2, 28)]
    plots = [
        recall_plot(days, {"exact": [1, 2], "hub": [0, 1]}, planted=3),
        budget_plot(days, epsilon_spent=[3, 3], epsilon=3, noise_sd=[4, 5]),
        forest_plot([ForestRow("drug <x> & y", {"exact": (2, 1, 4), "hub": (3, 0, 9)})], measure="ROR"),
    ]
    sections = [Plot("a plot", svg, "caption", "alternative") for svg in plots]
    page = Page(title="page", lead="lead", facts=[], sections=sections, notes=["note"])
    page.write(tmp_path / "page.html")
    check(chromium, tmp_path / "page.html", plots=3)


def test_a_simulated_federation(chromium: ChromiumBrowser, tmp_path: Path) -> None:
    small = "--sites 20 --reports 2000 --epsilon 3 --cadence month --drugs 20 --reactions 30 --signals 10 --out"
    done = CliRunner().invoke(cli, ["simulate", *small.split(), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    check(chromium, tmp_path / "out" / "index.html", plots=2)


def test_a_page_that_is_too_wide_or_has_cut_text_would_be_found(chromium: ChromiumBrowser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    text = '<text x="{}" y="20" style="font-size: {}px">label</text>'
    svg = f'<svg width="900" height="30">{text.format(5, 12)}{text.format(7, 12)}{text.format(890, 5)}</svg>'
    page.write_text(f"<!doctype html><body>{svg}</body>")
    seen = chromium.measure(page, width=400)
    assert seen.closed > seen.width
    assert (seen.outside, seen.overlapping) == (["label"], [["label", "label"]])
    assert seen.smallest == pytest.approx(5)


def test_a_year_of_vaers(chromium: ChromiumBrowser, shared_data: Path, tmp_path: Path) -> None:
    year = shared_data / "vaers" / "1991VAERSData.zip"
    code, output, page = run_report(vaers_table(tmp_path / "vaers.csv", year))
    assert code == 0, output
    check(chromium, page, plots=5)
    oracle, read = count_vaers([year]), ReadPage(page)
    assert f"{oracle.n_total:,}" in read.words
    for row in read.rows("The strongest pairs"):
        scores = oracle.scores(row["drug"], row["reaction"])
        assert row["reports"] == f"{scores['n']:,}"
        assert row["IC (interval)"].split(" ")[0] == f"{scores['ic']:.2f}"
        ror = [float(each.replace(",", "")) for each in re.findall(r"[\d.,]+", row["ROR (interval)"])]
        assert ror == pytest.approx([scores["ror"], scores["ror_lower"], scores["ror_upper"]], rel=6e-3)


def test_the_page_of_a_quarter_of_faers_is_small(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "faers.csv"
    source = shared_data / "faers" / "faers_2022q3_case_drug_event.csv.gz"
    pl.read_csv(source, infer_schema=False).rename({"caseid": "case_id", "event": "reaction"}).write_csv(path)
    code, output, page = run_report(path)
    assert code == 0, output
    assert page.stat().st_size < 2_000_000
    assert "215,867" in ReadPage(page).words
