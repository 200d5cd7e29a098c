"""`kelsey treescan`: the planted branch, the numbers of the Python API, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from kelsey.cli import cli

LEAVES = {"heart": ["infarction", "angina", "palpitation"], "skin": ["rash", "itching"], "gut": ["nausea"]}
TREE = "child,parent\n" + "".join(f"{leaf},{group}\n" for group, leaves in LEAVES.items() for leaf in leaves)


def reports(folder: Path, name: str, counts: dict[tuple[str, str], int], prefix: str = "") -> str:
    rows = [(drug, reaction) for (drug, reaction), count in counts.items() for _ in range(count)]
    frame = pl.DataFrame(rows, schema=["drug", "reaction"], orient="row").with_row_index("case_id")
    frame.with_columns(pl.format("{}{}", pl.lit(prefix), "case_id").alias("case_id")).write_csv(folder / name)
    return str(folder / name)


def run(folder: Path, *options: str, tree: str = TREE) -> tuple[int, str]:
    (folder / "tree.csv").write_text(tree)
    result = CliRunner().invoke(cli, ["treescan", "--tree", str(folder / "tree.csv"), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def planted(tmp_path: Path) -> str:
    """The new drug has half as many reports again at each reaction of the heart."""
    plain = {leaf: 40 for leaves in LEAVES.values() for leaf in leaves}
    counts = {("old", leaf): 3 * count for leaf, count in plain.items()}
    counts |= {("new", leaf): count + 20 * (leaf in LEAVES["heart"]) for leaf, count in plain.items()}
    counts |= {("other", "rash"): 500}
    return reports(tmp_path, "reports.csv", counts)


def test_the_branch_is_found_beside_comparators(tmp_path: Path, planted: str) -> None:
    options = ["--reports", planted, "--drug", "new", "--comparator", "old"]
    code, out = run(tmp_path, *options, "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == 0
    assert {**found, "cuts": None} == {
        "model": "Bernoulli, given the reports of the drug", "drug": "new", "reports": 300, "other_reports": 720,
        "cuts": None, "replications": 999, "seed": 0,
    }  # fmt: skip
    first = found["cuts"][0]
    assert (first["name"], first["level"], first["observed"], first["same_as"]) == ("heart", 1, 180, [])
    assert first["expected"] == pytest.approx(540 * 300 / 1020)
    inside, outside = 180 / 540, 120 / 480
    ratio = 180 * np.log(inside) + 360 * np.log(1 - inside) + 120 * np.log(outside) + 360 * np.log(1 - outside)
    assert first["llr"] == pytest.approx(ratio - 300 * np.log(300 / 1020) - 720 * np.log(720 / 1020), rel=1e-9)
    assert first["p"] < 0.05
    assert min(cut["p"] for cut in found["cuts"] if cut["name"] in ("skin", "nausea")) == 1
    code, text = run(tmp_path, *options, "--top", "2")
    assert "new: 300 reports beside 720; Bernoulli, given the reports of the drug" in text
    assert "heart" in text and "itching" not in text
    assert "8 branches looked at; p from 999 draws, seed 0" in text


def test_all_other_drugs_are_compared_with_unless_said(tmp_path: Path, planted: str) -> None:
    _, out = run(tmp_path, "--reports", planted, "--drug", "new", "--json", "--replications", "9")
    assert json.loads(out)["other_reports"] == 720 + 500


def test_a_chance_known_beforehand(tmp_path: Path, planted: str) -> None:
    options = ["--reports", planted, "--drug", "new", "--comparator", "old", "--chance", "0.25"]
    _, out = run(tmp_path, *options, "--replications", "9", "--json")
    found = json.loads(out)
    assert found["model"] == "Bernoulli, chance 0.25"
    assert {cut["name"]: cut["expected"] for cut in found["cuts"]}["skin"] == 320 * 0.25


def test_a_report_of_both_drugs_is_the_drugs_and_counts_once_at_a_branch(tmp_path: Path) -> None:
    source = tmp_path / "reports.csv"
    rows = ["1,new,rash", "1,new,itching", "1,old,nausea", "2,old,rash", "3,old,itching", "4,new,rash"]
    source.write_text("case_id,drug,reaction\n" + "\n".join(rows) + "\n")
    _, out = run(tmp_path, "--reports", str(source), "--drug", "new", "--json", "--replications", "9")
    found = json.loads(out)
    assert (found["reports"], found["other_reports"]) == (2, 2)
    cuts = {cut["name"]: cut["observed"] for cut in found["cuts"]}
    assert cuts == {"skin": 2, "rash": 2, "itching": 1}


def test_a_baseline_has_its_own_chance(tmp_path: Path) -> None:
    then = reports(tmp_path, "then.csv", {("new", "infarction"): 20, ("new", "angina"): 20, ("new", "rash"): 60}, "a")
    now = {("new", "infarction"): 25, ("new", "angina"): 24, ("new", "rash"): 31, ("new", "nausea"): 4}
    options = ["--reports", reports(tmp_path, "now.csv", now, "b"), "--drug", "new", "--baseline", then]
    code, out = run(tmp_path, *options, "--ratio", "0.5", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["model"] == "Bernoulli, 0.5 times the exposure of the baseline"
    assert (found["reports"], found["other_reports"]) == (84, 100)
    cuts = {cut["name"]: cut for cut in found["cuts"]}
    assert found["cuts"][0]["name"] == "heart"
    assert (cuts["heart"]["observed"], cuts["heart"]["expected"]) == (49, pytest.approx(89 / 3))
    assert cuts["heart"]["llr"] == pytest.approx(49 * np.log(49 / 89 * 3) + 40 * np.log(40 / 89 * 1.5), rel=1e-9)
    assert cuts["heart"]["p"] == 0.001
    assert (cuts["nausea"]["same_as"], cuts["nausea"]["llr"]) == (["gut"], pytest.approx(4 * np.log(3)))


def test_what_was_expected_beforehand(tmp_path: Path) -> None:
    source, expected = tmp_path / "reports.csv", tmp_path / "expected.csv"
    rows = [f"{case},new,{reaction}" for case in range(9) for reaction in ("infarction", "angina")]
    source.write_text("case_id,drug,reaction\n" + "\n".join([*rows, *rows, "x,new,nausea", "y,old,rash"]) + "\n")
    expected.write_text("reaction,expected\ninfarction,3\nangina, 3.5\nrash,2\nnausea,0\n")
    options = ["--reports", str(source), "--drug", "new", "--expected", str(expected)]
    _, out = run(tmp_path, *options, "--json")
    found = json.loads(out)
    assert (found["model"], found["reports"], found["other_reports"]) == ("Poisson, expected beforehand", 10, None)
    first, last = found["cuts"][0], found["cuts"][-1]
    assert (first["name"], first["observed"], first["expected"]) == ("heart", 18, 6.5)
    assert first["llr"] == pytest.approx(18 * np.log(18 / 6.5) - 11.5, rel=1e-9)
    assert (last["name"], last["same_as"], last["observed"], last["llr"], last["p"]) == (
        "nausea",
        ["gut"],
        1,
        None,
        None,
    )
    _, text = run(tmp_path, *options)
    assert "new: 10 reports; Poisson, expected beforehand" in text
    assert "not expected at all, so without p: nausea (1)" in text
    for row, message in [
        ("angina,1", "row 5: the reaction 'angina' stands there a second time"),
        ("itching,-1", "row 5: expected must be at least 0, not '-1'"),
        ("itching,nan", "row 5: expected must be at least 0, not 'nan'"),
        ("itching,", "row 5: expected must be at least 0, not None"),
        (",1", "row 5: reaction has no value"),
        ("itch,1", "the hierarchy does not have 'itch' (the nearest are 'itching'"),
    ]:
        expected.write_text(f"reaction,expected\ninfarction,3\nangina,3.5\nnausea,0\n{row}\n")
        code, out = run(tmp_path, *options)
        assert code == 1 and message in out
    expected.write_text("reaction,expected\nrash,2\n")
    code, out = run(tmp_path, *options)
    assert code == 1 and "no row for 3 reactions of 'new', such as 'angina'" in out


def test_what_cannot_be_scanned_is_said(tmp_path: Path, planted: str) -> None:
    def said(*options: str, tree: str = TREE) -> str:
        code, out = run(tmp_path, "--reports", planted, *options, tree=tree)
        assert code == 1
        return out

    assert "no report names the drug 'nwe' (the nearest are 'new'" in said("--drug", "nwe")
    assert "no report names the drug 'odl'" in said("--drug", "new", "--comparator", "odl")
    assert "'new' cannot be compared with itself" in said("--drug", "new", "--comparator", "new")
    assert "the hierarchy does not have 'rash'" in said("--drug", "new", tree=TREE.replace("rash", "rush"))
    assert "chance must lie in (0, 1), not 1.5" in said("--drug", "new", "--chance", "1.5")
    assert "replications must be at least 1" in said("--drug", "new", "--replications", "0")
    baseline = ["--drug", "new", "--baseline", planted, "--ratio"]
    assert "stands in both files" in said(*baseline, "1")
    assert "ratio must be finite and above 0, not nan" in said(*baseline, "nan")
    only = reports(tmp_path, "only.csv", {("new", "rash"): 3})
    code, out = run(tmp_path, "--reports", only, "--drug", "new")
    assert code == 1 and "every report of the comparators names 'new' as well" in out
    (tmp_path / "gap.csv").write_text("case_id,drug,reaction\n1,new,rash\n2,,rash\n")
    code, out = run(tmp_path, "--reports", str(tmp_path / "gap.csv"), "--drug", "new")
    assert code == 1 and "row 3: column drug has no value" in out


@pytest.mark.parametrize(
    "options",
    [
        ["--ratio", "2"],
        ["--baseline", "tree.csv"],
        ["--baseline", "tree.csv", "--ratio", "1", "--chance", "0.5"],
        ["--baseline", "tree.csv", "--ratio", "1", "--expected", "tree.csv"],
    ],
)
def test_options_that_do_not_belong_together_are_wrong_usage(
    tmp_path: Path, planted: str, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out = run(tmp_path, "--reports", planted, "--drug", "new", *options)
    assert code == 2
    assert "--baseline" in out
