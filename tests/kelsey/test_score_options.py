"""`kelsey score` with counts, conditions, groups, rules and Excel; and the messages that name the row."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from kelsey.cli import cli

REPORTS = """\
case_id,drug,reaction,sex,date
1,warfarin,haemorrhage,f,2024-01-01
1,aspirin,haemorrhage,f,2024-01-01
2,warfarin,haemorrhage,m,2024-02-01
3,aspirin,nausea,m,20240301
4,ibuprofen,rash,f,
"""


def run(folder: Path, text: str, *options: str, kind: str = "--reports") -> tuple[int, str, pl.DataFrame | None]:
    source, out = folder / "in.csv", folder / "out.csv"
    source.write_text(text)
    result = CliRunner().invoke(cli, ["score", kind, str(source), "--out", str(out), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if result.exit_code:
        assert not out.exists()
    return result.exit_code, result.output, pl.read_csv(out) if result.exit_code == 0 else None


def test_counts_have_margins_by_sum_or_as_given(tmp_path: Path) -> None:
    code, out, frame = run(tmp_path, "drug,reaction,count\nb,x,3\na,y,2\na,x,1\nc,x,0\n", "--json", kind="--counts")
    assert code == 0 and frame is not None
    assert frame.select("drug", "reaction", "n", "n_drug", "n_reaction", "n_total").rows() == [
        ("a", "x", 1, 3, 4, 6), ("a", "y", 2, 3, 2, 6), ("b", "x", 3, 3, 4, 6),
    ]  # fmt: skip
    assert (json.loads(out)["reports"], json.loads(out)["pairs"]) == (6, 3)
    text = "drug,reaction,count,n_drug,n_reaction,n_total\na,x,1,2,3,9\n"
    _, _, frame = run(tmp_path, text, kind="--counts")
    assert frame is not None and frame["expected"].to_list() == [pytest.approx(2 / 3, rel=1e-15)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,x,1,,,\na,x,2,,,", "row 3: the pair ('a', 'x') stands there a second time"),
        ("a,x,-3,,,", "row 2: count must be at least 0, not '-3'"),
        ("a,x,1,5,5,9\na,y,2.5,5,5,9", "row 3: count must be a whole number, not '2.5'"),
        ("a,x,6,5,9,20", "row 2: count '6' is larger than its margin n_drug = '5'"),
        ("a,x,1,5,5,8", "row 2: n_drug + n_reaction - count is larger than n_total = '8'"),
        (",x,1,5,5,9\nb,x,1,5,5,9", "row 2: drug has no value"),
    ],
)
def test_refused_counts_name_the_row(tmp_path: Path, text: str, message: str) -> None:
    code, out, _ = run(tmp_path, f"drug,reaction,count,n_drug,n_reaction,n_total\n{text}\n", kind="--counts")
    assert code == 1
    assert message in out


def test_subsets_dates_and_groups_count_distinct_reports(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("kind,name,group\ndrug,warfarin,antithrombotic\ndrug,aspirin,antithrombotic\n")
    _, _, frame = run(tmp_path, REPORTS, "--groups", str(tmp_path / "groups.csv"))
    assert frame is not None
    assert frame.select("drug", "reaction", "n").rows()[0] == ("antithrombotic", "haemorrhage", 2)
    assert run(tmp_path, REPORTS, "--subset", "sex=f")[2]["n_total"][0] == 2  # type: ignore[index]  # exit code 0
    dated = run(tmp_path, REPORTS, "--since", "2024-02-01", "--until", "2024-03-01")[2]
    assert dated is not None and dated["n_total"][0] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subset", "drug=warfarine"], "no report has the drug 'warfarine' (the nearest are 'warfarin'"),
        (["--subset", "sexx=f"], "did you mean 'sex'?"),
        (["--measures", "prrr"], "did you mean 'prr'?"),
        (["--rule", "evan"], "the nearest are 'evans'"),
        (["--level", "95"], "level must lie in (0, 1)"),
        (["--since", "2030-01-01"], "no report meets the conditions"),
    ],
)
def test_misspelt_options_offer_the_nearest(tmp_path: Path, options: list[str], message: str) -> None:
    code, out, _ = run(tmp_path, REPORTS, *options)
    assert code == 1
    assert message in out


def test_a_sheet_has_the_erm_columns_first_and_no_formula(tmp_path: Path) -> None:
    import zipfile

    source, out = tmp_path / "in.csv", tmp_path / "out.xlsx"
    source.write_text(REPORTS.replace("ibuprofen", "=1+1"))
    assert CliRunner().invoke(cli, ["score", "--reports", str(source), "--out", str(out)]).exit_code == 0
    with zipfile.ZipFile(out) as book:
        sheet, strings = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert 'state="frozen"' in sheet
    assert strings.index("Active substance") < strings.index("ROR (-)") < strings.index("SDR evans")


def test_likelihood_ratios_come_with_their_chance_and_q_value(tmp_path: Path) -> None:
    text = "drug,reaction,count\na,x,40\na,y,5\nb,x,5\nb,y,200\nc,x,10\nc,y,190\n"
    code, _, frame = run(tmp_path, text, "--measures", "llr", kind="--counts")
    assert code == 0 and frame is not None
    rows = {(row["drug"], row["reaction"]): row for row in frame.to_dicts()}
    assert rows["a", "x"]["llr"] == pytest.approx(44.865254475020436, rel=1e-12)
    assert rows["a", "x"]["llr_p"] == 0.001
    assert rows["a", "x"]["q_value"] == pytest.approx(0.001 * 6, abs=1e-12)
    assert rows["a", "y"]["llr"] == 0 and rows["a", "y"]["llr_p"] == rows["a", "y"]["q_value"] == 1
    _, _, again = run(tmp_path, text, "--measures", "llr", kind="--counts")
    assert again is not None and again.equals(frame)


TREE = "child,parent\nhaemorrhage,vessels\nrash,skin\nitching,skin\nskin,any\nvessels,any\nnausea,any\n"


def test_a_hierarchy_scores_every_level_by_distinct_reports(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text(TREE)
    text = REPORTS + "4,ibuprofen,itching,f,\n4,ibuprofen,skin,f,\n5,ibuprofen,itching,m,\n"
    code, out, frame = run(tmp_path, text, "--hierarchy", str(tmp_path / "tree.csv"), "--json")
    assert code == 0 and frame is not None
    rows = frame.select("drug", "reaction", "level", "is_leaf", "n", "n_drug", "n_reaction", "n_total").rows()
    assert [row for row in rows if row[0] == "ibuprofen"] == [
        ("ibuprofen", "any", 1, False, 2, 2, 5, 5),
        ("ibuprofen", "itching", 3, True, 2, 2, 2, 5),
        ("ibuprofen", "rash", 3, True, 1, 2, 1, 5),
        ("ibuprofen", "skin", 2, False, 2, 2, 2, 5),
    ]
    assert ("aspirin", "vessels", 2, False, 1, 2, 2, 5) in rows
    assert json.loads(out)["reports"] == 5
    plain = run(tmp_path, text)[2]  # what is reported scores as without: the rows above come on top
    assert plain is not None and "level" not in plain.columns
    shared = ["drug", "reaction", "n", "n_drug", "n_reaction", "prr", "ic_lower"]
    both = plain.filter(pl.col("reaction") != "skin").select(shared)
    assert both.join(frame.select(shared), on=shared, nulls_equal=True).height == both.height == 5


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (TREE.replace("rash", "rush"), "the hierarchy does not have 'rash' (the nearest are 'rush'"),
        (TREE + "any,skin\n", "tree.csv: row 5: 'any' is above 'skin', but also below it"),
        (TREE + "skin,skin\n", "tree.csv: row 8: 'skin' is its own parent"),
        (TREE + "skin,\n", "tree.csv: row 8: parent has no value"),
        (TREE.replace("parent", "parents"), "tree.csv: column 'parent' is missing (did you mean 'parents'?)"),
    ],
)
def test_a_hierarchy_that_does_not_fit_is_refused(tmp_path: Path, tree: str, message: str) -> None:
    (tmp_path / "tree.csv").write_text(tree)
    code, out, _ = run(tmp_path, REPORTS, "--hierarchy", str(tmp_path / "tree.csv"))
    assert code == 1
    assert message in out


def test_groups_come_before_the_hierarchy_and_conditions_before_both(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text("child,parent\nbleeding,any\nnausea,any\nrash,any\n")
    (tmp_path / "groups.csv").write_text("kind,name,group\nreaction,haemorrhage,bleeding\n")
    options = ["--hierarchy", str(tmp_path / "tree.csv"), "--groups", str(tmp_path / "groups.csv")]
    _, _, frame = run(tmp_path, REPORTS, *options, "--subset", "reaction=haemorrhage")
    assert frame is not None
    assert sorted(set(frame["reaction"])) == ["any", "bleeding"]
    assert frame.filter(reaction="any")["n_reaction"].to_list() == [2, 2]
