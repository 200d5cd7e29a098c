"""`kelsey rules`: what there is, in words and as JSON, and what is wrong with a file of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from detectors import load_presets
from kelsey.cli import cli

OWN = '[mine]\ntitle = "Ours"\nsource = "SOP 12"\nsource_date = 2026-01-01\n'


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["rules", *arguments])
    return result.exit_code, result.output


def test_the_list_has_every_preset_with_its_date() -> None:
    code, out = run("list")
    assert code == 0
    for name, rule in load_presets().items():
        assert any(line.split()[:2] == [name, rule.source_date.isoformat()] for line in out.splitlines())
    code, out = run("list", "--json")
    assert [item["name"] for item in json.loads(out)] == list(load_presets())


def test_a_preset_is_explained() -> None:
    code, out = run("explain", "mhra")
    assert code == 0
    assert "The 5 % quantile of the shrunken ratio (EB05) is at least 1.8 (column eb05)." in out
    assert "doi:10.1007/s40264-015-0289-8" in out
    assert "2015-06-01" in out
    assert "What the rule does not say:" in out
    assert json.loads(run("explain", "mhra", "--json")[1])["conditions"][0]["column"] == "ebgm"


def test_every_rule_of_a_file_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    first = OWN + 'conditions = [{ column = "q_value", at_most = 0.05 }]\n'
    file.write_text(first + first.replace("mine", "second"))
    code, out = run("explain", str(file))
    assert code == 0
    assert "The q-value (share of false discoveries) is at most 0.05 (column q_value)." in out
    assert [item["name"] for item in json.loads(run("explain", str(file), "--json")[1])] == ["mine", "second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN + 'conditions = [{ column = "ebgmm", above = 2 }]', "rule mine: conditions[0].column 'ebgmm'"),
        (OWN + 'conditions = [{ column = "ebgmm", above = 2 }]', "did you mean 'ebgm'?"),
        (OWN.replace("source =", "sauce ="), "did you mean 'source'?"),
        (OWN.replace("mine", "evans") + 'conditions = [{ column = "n", above = 2 }]', "name of a published preset"),
        ("", "there is no rule"),
    ],
)
def test_a_wrong_file_is_named_with_rule_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    code, out = run("explain", str(file))
    assert code == 1
    assert f"{file}: " in out
    assert message in out


def test_an_unknown_name_offers_the_nearest() -> None:
    code, out = run("explain", "evanss")
    assert code == 1
    assert "the nearest are 'evans'" in out
    assert run("explain", "missing.toml")[0] == 1


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    reports = tmp_path / "reports.csv"
    reports.write_text("case_id,drug,reaction\n1,a,x\n2,b,y\n")
    for number in (1, 2):
        (tmp_path / f"{number}.toml").write_text(OWN + f'conditions = [{{ column = "n", above = {number} }}]')
    files = [part for number in (1, 2) for part in ("--rule", str(tmp_path / f"{number}.toml"))]
    result = CliRunner().invoke(cli, ["score", "--reports", str(reports), "--out", str(tmp_path / "o.csv"), *files])
    assert result.exit_code == 1
    assert "rule mine is another in an earlier file" in result.output
