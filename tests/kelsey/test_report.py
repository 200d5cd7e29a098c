"""`kelsey report`: its numbers are those of `kelsey score`, its page is safe, accessible and the same each time."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from detectors import CountTable, InformationComponent
from detectors.context import Timeline
from kelsey.cli import cli
from tests.kelsey.report_page import ODD_DRUGS, ODD_REACTIONS, ReadPage, made_up, run_report, write_csv

DRUGS, REACTIONS = [f"drug{k}" for k in range(9)], [f"reaction{k}" for k in range(9)]
HEADER = "case_id,drug,reaction,date"
PLOTS = ("Forest plot", "Volcano plot", "Heat map", "Timeline", "Funnel plot")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("report") / "reports.csv", HEADER, made_up(DRUGS, REACTIONS))


@pytest.fixture(scope="module")
def summary(reports: Path) -> Iterator[dict[str, Any]]:
    code, output, out = run_report(reports, "--top", "7", "--pair", "drug1", "reaction1", "--json")
    assert code == 0, output
    yield json.loads(output) | {"page": ReadPage(out)}


@pytest.fixture
def page(summary: dict[str, Any]) -> ReadPage:
    found = summary["page"]
    assert isinstance(found, ReadPage)
    return found


@pytest.fixture(scope="module")
def scores(reports: Path) -> pl.DataFrame:
    return scores_of(reports)


def page_of(path: Path, *options: str) -> ReadPage:
    code, output, out = run_report(path, *options)
    assert code == 0, output
    return ReadPage(out)


def scores_of(path: Path, *options: str) -> pl.DataFrame:
    out = path.with_suffix(".scores.parquet")
    assert CliRunner().invoke(cli, ["score", "--reports", str(path), "--out", str(out), *options]).exit_code == 0
    return pl.read_parquet(out)


def as_said(value: float) -> str:
    return f"{value:,.2f}".replace("-", "−")


def test_the_ranked_pairs_are_those_of_kelsey_score(page: ReadPage, scores: pl.DataFrame) -> None:
    rows = page.rows("The strongest pairs")
    expected = scores.sort("eb05", descending=True, maintain_order=True).head(7).to_dicts()
    assert [(row["drug"], row["reaction"]) for row in rows] == [(row["drug"], row["reaction"]) for row in expected]
    for row, score in zip(rows, expected, strict=True):
        assert row["reports"] == str(score["n"])
        limits = [as_said(score[name]) for name in ("ic", "ic_lower", "ic_upper")]
        assert row["IC (interval)"] == "{} ({} to {})".format(*limits)
        values = [float(each) for each in re.findall(r"[\d.]+", row["EBGM (EB05 to EB95)"])]
        assert values == pytest.approx([score["ebgm"], score["eb05"], score["eb95"]], rel=6e-3)
    first = next(row for row in expected if (row["drug"], row["reaction"]) != ("drug1", "reaction1"))
    assert f"The strongest is {first['drug']} with {first['reaction']}: {first['n']} reports" in page.plots[0]


def test_flags_prior_and_facts_are_those_of_the_summary(
    summary: dict[str, Any], page: ReadPage, scores: pl.DataFrame
) -> None:
    told = {row["rule"]: row["pairs"] for row in page.rows("Pairs that each rule flags")}
    assert told == {name: f"{count:,}" for name, count in summary["rules"].items()}
    assert summary["rules"] == {name: int(scores[name].sum()) for name in summary["rules"]}
    prior = {row["what"]: row["value"] for row in page.rows("The prior of the EBGM")}
    assert prior["−log likelihood"] == f"{summary['negative_log_likelihood']:.3f}"
    assert summary["reports"] == 600 and "600" in page.words
    assert f"{int(scores['umc'].sum())} of them flagged by the rule umc" in page.plots[1]
    assert f"{scores.filter(pl.col('chi2') > 3.84).height} have a chi-square above 3.84" in page.plots[1]


def test_every_plot_says_its_finding_and_has_its_numbers_in_a_table(
    page: ReadPage, reports: Path, scores: pl.DataFrame
) -> None:
    for plot, name in zip(page.plots, PLOTS, strict=True):
        assert plot.startswith(name)
        assert len(re.findall(r"\d+", plot)) >= 5
    assert len([tag for tag, _ in page.tags if tag == "details"]) == len(PLOTS)
    frame = pl.read_csv(reports, infer_schema=False)
    table = CountTable.from_reports(frame["case_id"], frame["drug"], frame["reaction"])
    cells = page.rows("cells of the heat map")
    assert len(cells) == 9 * 8
    for cell in cells:
        counted = table.pair(cell["drug"], cell["reaction"])
        value = InformationComponent(level=0.95).score_one(table, cell["drug"], cell["reaction"])
        assert (cell["reports"], cell["IC lower"]) == (str(counted.n), as_said(value.lower))
    crude = page.rows("crude and shrunken ratio by number of reports")
    assert sum(int(row["pairs"]) for row in crude) == len(scores)
    assert [row["rank"] for row in page.rows("IC and chi-square")] == [str(rank) for rank in range(1, 51)]


def test_the_timeline_is_that_of_the_python_api(page: ReadPage, reports: Path) -> None:
    frame = pl.read_csv(reports, infer_schema=False).with_columns(pl.col("date").str.to_date())
    found = Timeline.of(frame, "drug1", "reaction1", period="quarter")
    assert found.first_crossed is not None
    assert f"first lay above 0 on {found.first_crossed}" in page.plots[3]
    rows = page.rows("IC by quarter")
    assert [row["IC lower"] for row in rows] == [as_said(value) for value in found.periods["cumulative_ic_lower"]]
    assert page.rows("pairs of the forest plot")[0]["reaction"] == "reaction1"


def test_a_class_counts_a_report_once_and_says_what_has_no_class(tmp_path: Path) -> None:
    rows = [
        ("1", "a", "itch"),
        ("1", "a", "rash"),
        ("2", "a", "rash"),
        ("3", "b", "fever"),
        ("4", "b", "itch"),
        ("5", "b", "cough"),
    ]
    path = write_csv(tmp_path / "r.csv", "case_id,drug,reaction", rows)
    classes = write_csv(
        tmp_path / "c.csv",
        "reaction,class",
        [("itch", "skin"), ("rash", "skin"), ("fever", "general"), ("gout", "joints")],
    )
    page = page_of(path, "--classes", str(classes))
    cells = {(row["drug"], row["class"]): row["reports"] for row in page.rows("cells of the heat map")}
    assert cells == {("a", "skin"): "2", ("a", "general"): "0", ("b", "skin"): "1", ("b", "general"): "1"}
    caption = next(words for words in page.words if "Hatched" in words)
    assert "Without a class: 1 reaction of the table" in caption
    assert "In no report: 1 reaction of the file" in caption


def test_without_prior_or_days_the_page_says_so_and_ranks_by_the_ic(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", "case_id,drug,reaction", [("1", "a", "x"), ("2", "b", "y"), ("3", "b", "x")])
    code, output, out = run_report(path)
    page = ReadPage(out)
    assert code == 0 and "no EBGM: a prior needs at least 10 pairs" in output
    assert any("No prior fits this table" in words for words in page.words)
    assert any("no column “date”" in words for words in page.words)
    ranked = page.rows("The strongest pairs")
    by_ic = scores_of(path).sort("ic_lower", descending=True, maintain_order=True)
    assert [row["drug"] for row in ranked] == by_ic["drug"].to_list()
    told = {row["rule"]: row["pairs"] for row in page.rows("Pairs that each rule flags")}
    assert (told["fda"], told["umc"]) == ("no prior", "0")


def test_one_pair_has_no_chi_square_and_the_page_says_why(tmp_path: Path) -> None:
    page = page_of(write_csv(tmp_path / "r.csv", "case_id,drug,reaction", [("1", "a", "x"), ("2", "a", "x")]))
    assert any("No pair has a chi-square" in words for words in page.words)
    assert page.plots[0].startswith("Forest plot of 1 pair.")
    assert len(page.plots) == 3


def test_a_pair_never_reported_together_can_be_chosen(tmp_path: Path) -> None:
    rows = [(str(k), "a", "x", "2024-01-01") for k in range(5)] + [
        (str(k), "b", "y", "2024-02-01") for k in range(5, 9)
    ]
    page = page_of(write_csv(tmp_path / "r.csv", HEADER, rows), "--pair", "a", "y")
    row = page.rows("pairs of the forest plot")[0]
    assert (row["drug"], row["reaction"], row["reports"]) == ("a", "y", "0")
    assert "Timeline of a with y" in page.plots[3]
    assert "The lower limit never lay above 0" in page.plots[3]


def test_days_that_cannot_be_read_are_said_unless_asked_for(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", HEADER, [("1", "a", "x", "soon"), ("2", "b", "y", "2024-01-01")])
    assert any("row 2: date must be a day" in words for words in page_of(path).words)
    path.with_suffix(".html").unlink()
    code, output, _ = run_report(path, "--date-column", "date")
    assert (code, "row 2: date must be a day" in output) == (1, True)
    path = write_csv(tmp_path / "s.csv", HEADER, [("1", "a", "x", "2024-01-01"), ("1", "b", "y", "2024-01-02")])
    assert any("another day in another row" in words for words in page_of(path).words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--drug", "drug11"], "no report names the drug 'drug11' (the nearest are 'drug1'"),
        (["--pair", "drug1", "reaction"], "no report names the reaction 'reaction' (the nearest are 'reaction"),
        (["--date-column", "dat"], "column 'dat' is missing (did you mean 'date'?)"),
        (["--subset", "drug=drugg1"], "no report has the drug 'drugg1'"),
        (["--rule", "evan"], "the nearest are 'evans'"),
        (["--level", "95"], "level must lie in (0, 1)"),
        (["--since", "2031-01-01"], "no report meets the conditions"),
    ],
)
def test_misspelt_options_offer_the_nearest(reports: Path, tmp_path: Path, options: list[str], message: str) -> None:
    code, output, _ = run_report(reports, *options, out=tmp_path / "page.html")
    assert code == 1
    assert message in output


def test_classes_of_other_reactions_are_refused(reports: Path, tmp_path: Path) -> None:
    classes = write_csv(tmp_path / "c.csv", "reaction,class", [("reaktion1", "skin")])
    code, output, _ = run_report(reports, "--classes", str(classes), out=tmp_path / "page.html")
    assert code == 1
    assert "no report names any of its reactions, 'reaktion1' for one (the nearest are 'reaction1'" in output


def test_focus_on_one_drug_keeps_the_prior_of_all_and_selection_is_as_in_score(reports: Path, tmp_path: Path) -> None:
    options = ["--since", "2021-01-01", "--until", "2023-12-31"]
    code, output, out = run_report(
        reports, "--drug", "drug4", "--rule", "ema", "--json", *options, out=tmp_path / "page.html"
    )
    assert code == 0
    facts, page = json.loads(output), ReadPage(out)
    expected = scores_of(reports, *options).filter(pl.col("drug") == "drug4").sort("eb05", descending=True)
    assert facts["top"] == [["drug4", reaction] for reaction in expected["reaction"]][:10]
    assert list(facts["rules"]) == ["ema"]
    assert page.rows("cells of the heat map")[0]["drug"] == "drug4"
    assert "flagged by the rule ema" in page.plots[1]
    assert f"Volcano plot of {len(expected)} pairs" in page.plots[1]


def test_strata_enter_the_expected_counts(tmp_path: Path) -> None:
    rows = [(*row, "f" if int(row[0]) % 3 else "m") for row in made_up(DRUGS, REACTIONS)]
    path = write_csv(tmp_path / "r.csv", f"{HEADER},sex", rows)
    ranked = page_of(path, "--stratify", "sex").rows("The strongest pairs")
    expected = scores_of(path, "--stratify", "sex").sort("eb05", descending=True, maintain_order=True).head(10)
    assert [(row["drug"], row["reaction"]) for row in ranked] == expected.select("drug", "reaction").rows()
    crude = scores_of(path)
    assert not crude["expected"].equals(scores_of(path, "--stratify", "sex")["expected"])


def test_the_same_reports_give_the_same_bytes(page: ReadPage, reports: Path, tmp_path: Path) -> None:
    shuffled = tmp_path / reports.name
    pl.read_csv(reports, infer_schema=False).sample(fraction=1, shuffle=True, seed=1).write_csv(shuffled)
    assert page_of(shuffled, "--top", "7", "--pair", "drug1", "reaction1").text == page.text


def test_any_name_is_shown_and_none_is_obeyed(tmp_path: Path) -> None:
    page = page_of(write_csv(tmp_path / "odd.csv", HEADER, made_up(ODD_DRUGS, ODD_REACTIONS)))
    assert not [tag for tag, _ in page.tags if tag in ("script", "b", "link", "iframe", "img")]
    shown = {row["drug"] for row in page.rows("cells of the heat map")}
    assert shown == set(ODD_DRUGS)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</text>" in page.text
    assert '>id="x" href="#y"</text>' in page.text


def test_the_page_is_self_contained_and_accessible(page: ReadPage) -> None:
    policy = [values["content"] for tag, values in page.tags if values.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert ("html", {"lang": "en"}) in page.tags
    headings = [tag for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1" and set(headings[1:]) == {"h2"}
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)) > 0
    references = page.attributes("href", "xlink:href", "src") + [
        found
        for value in page.attributes("style", "clip-path", "fill")
        for found in re.findall(r"url\(([^)]*)\)", value)
    ]
    assert {reference[1:] for reference in references if not reference.startswith("data:image/png;base64,")} <= set(ids)
    assert page.unlabelled_svgs == page.unscoped_headers == 0
    assert len(page.plots) == len(PLOTS)
    scrolling = [values for _, values in page.tags if values.get("class") == "scroll"]
    assert len(scrolling) == len(page.tables) > len(PLOTS)
    assert all(
        values["tabindex"] == "0" and values["role"] == "region" and values["aria-label"] for values in scrolling
    )
    style = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)[0]
    colours = re.findall(r"(?<![-\w])color: (#[0-9a-f]{3,6})", style)
    assert len(colours) >= 5
    assert min(contrast_on_white(colour) for colour in colours) >= 4.5


def contrast_on_white(colour: str) -> float:
    """As the Web Content Accessibility Guidelines define it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", "case_id,drug,reaction", [("1", "a", "x")])
    name = f"{'x' * 249}.html"  # as long as may be: the file that is written first, and then renamed, is longer
    result = CliRunner().invoke(cli, ["report", str(path), "--out", str(tmp_path / name)])
    assert result.exit_code == 1
    assert "x.html: cannot be written" in result.output


def test_days_of_one_week_are_one_period(tmp_path: Path) -> None:
    rows = [(str(k), "a" if k % 2 else "b", "x" if k % 3 else "y", str(date(2024, 1, 1))) for k in range(20)]
    page = page_of(write_csv(tmp_path / "r.csv", HEADER, rows))
    assert len(page.rows("IC by week")) == 1


def test_the_page_never_replaces_the_reports(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", "case_id,drug,reaction", [("1", "a", "x")])
    before = path.read_bytes()
    result = CliRunner().invoke(cli, ["report", str(path), "--out", str(path)])
    assert result.exit_code == 1
    assert "is the file to read" in result.output
    assert path.read_bytes() == before


def test_the_example_of_the_documentation_runs() -> None:
    found = doctest.testfile(str(Path(__file__).parents[2] / "docs" / "report.md"), module_relative=False)
    assert found.attempted > 5
    assert found.failed == 0


def test_reports_without_a_day_are_counted_but_not_in_the_timeline(tmp_path: Path) -> None:
    rows = [("1", "a", "x", "2024-01-01"), ("2", "b", "y", ""), ("3", "a", "y", "20240215"), ("4", "b", "x", "")]
    page = page_of(write_csv(tmp_path / "r.csv", HEADER, rows), "--pair", "a", "x")
    assert any("2 reports without a day are left out" in words for words in page.words)
    assert "4" in page.words
    assert page.rows("IC by week")[-1]["reports so far"] == "1"
