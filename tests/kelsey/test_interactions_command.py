"""`kelsey interactions` as an officer meets it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from detectors.interaction import NormalOmegaShrinkage, OmegaShrinkage, ReportIndex
from kelsey.cli import cli

GROUPS = [(("warfarin",), 4, 36), (("aspirin",), 3, 57), (("warfarin", "aspirin"), 9, 11), (("other",), 5, 95)]
NAMED = [
    (drugs, reaction)
    for drugs, *counts in GROUPS
    for reaction, count in zip(("bleeding", "rash"), counts, strict=True)
    for _ in range(count)
]
REPORTS = "case_id,drug,reaction,sex\n" + "".join(
    f"{case},{drug},{reaction},{'fm'[case % 2]}\n" for case, (drugs, reaction) in enumerate(NAMED) for drug in drugs
)


def run(folder: Path, *options: str, text: str = REPORTS, out: str = "out.csv") -> Result:
    (folder / "in.csv").write_text(text)
    arguments = ["interactions", "--reports", str(folder / "in.csv"), "--out", str(folder / out), *options]
    return CliRunner().invoke(cli, arguments)


def test_the_file_and_the_summary(tmp_path: Path) -> None:
    result = run(tmp_path, "--measures", "omega,omega_normal", "--json")
    assert result.exit_code == 0, result.stderr
    frame = pl.read_csv(tmp_path / "out.csv")
    assert frame.columns == [
        "drug1", "drug2", "reaction", "n_111", "n_11", "n_101", "n_10", "n_011", "n_01", "n_001", "n_00", "expected",
        "omega", "omega_lower", "omega_upper", "omega_normal", "omega_normal_lower", "omega_normal_upper",
    ]  # fmt: skip
    assert frame.row(0)[:11] == ("aspirin", "warfarin", "bleeding", 9, 20, 3, 60, 4, 40, 5, 100)
    source = pl.read_csv(tmp_path / "in.csv", infer_schema=False)
    triples = ReportIndex(source["case_id"], source["drug"], source["reaction"]).triples(minimum_reports=3)
    for measure in (OmegaShrinkage(level=0.95), NormalOmegaShrinkage(level=0.95)):
        np.testing.assert_array_equal(frame.select(measure.columns).to_numpy(), measure.score_many(triples))
    assert json.loads(result.stdout) == {
        "reports": 220,
        "drugs": 3,
        "reactions": 2,
        "minimum_reports": 3,
        "triples": 2,
        "without_baseline": 0,
        "flagged": {"omega": 1, "omega_normal": 1},
        "variants": {"omega": "gamma limits", "omega_normal": "normal limits"},
    }


def test_words_without_json(tmp_path: Path) -> None:
    lines = run(tmp_path).stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["220", "3", "2", "2", "0", "1"]
    assert lines[-1].startswith("lower limit of omega above 0")


def test_without_a_baseline_the_measure_is_empty(tmp_path: Path) -> None:
    text = "case_id,drug,reaction\n" + "".join(f"{case},{drug},rash\n" for case in range(3) for drug in "ab")
    result = run(tmp_path, "--json", text=text)
    assert json.loads(result.stdout)["without_baseline"] == 1
    assert pl.read_csv(tmp_path / "out.csv").row(0)[-4:] == (None,) * 4


def test_subsets_and_groups_and_other_formats(tmp_path: Path) -> None:
    assert run(tmp_path, "--subset", "sex=f", "--minimum-reports", "1", out="out.parquet").exit_code == 0
    assert pl.read_parquet(tmp_path / "out.parquet")["n_11"].to_list() == [10, 10]
    groups = tmp_path / "groups.csv"
    groups.write_text("kind,name,group\nreaction,bleeding,anything\nreaction,rash,anything\n")
    assert run(tmp_path, "--groups", str(groups), out="out.xlsx").exit_code == 0
    with zipfile.ZipFile(tmp_path / "out.xlsx") as book:
        strings = book.read("xl/sharedStrings.xml").decode()
    assert strings.index(">drug1<") < strings.index(">drug2<") < strings.index(">reaction<")
    assert strings.index(">reaction<") < strings.index(">anything<")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--measures", "omga"], 1, "there is no measure 'omga' of interactions (did you mean 'omega'?)"),
        (["--measures", ""], 1, "at least one measure must be asked for"),
        (["--minimum-reports", "0"], 1, "minimum_reports must be at least 1, not 0"),
        (["--level", "nan"], 1, "level must lie in (0, 1), not nan"),
        (["--subset", "sex=x"], 1, "no report has the sex 'x'"),
        (["--subset", "drug=aspirin"], 2, "would leave no reports to compare with"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: list[str], code: int, message: str) -> None:
    result = run(tmp_path, *options)
    assert (result.exit_code, (tmp_path / "out.csv").exists(), result.stdout) == (code, False, "")
    assert message in result.stderr


def test_an_empty_name_is_named_by_its_row(tmp_path: Path) -> None:
    result = run(tmp_path, text="case_id,drug,reaction\n1,a,x\n1,,x\n")
    assert "in.csv: column drug has no value in row 3" in result.stderr
