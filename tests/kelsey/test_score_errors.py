"""`kelsey score` on what strangers feed it: every slip is one line that names the row, the column or the nearest."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from kelsey.cli import cli

REPORTS = "case_id,drug,reaction\n1,warfarin,bleeding\n1,aspirin,bleeding\n2,warfarin,bleeding\n3,aspirin,rash\n"
COUNTS = "drug,reaction,count\nwarfarin,bleeding,2\naspirin,bleeding,1\naspirin,rash,1\n"
MARGINS = "drug,reaction,count,n_drug,n_reaction,n_total\n"


def score(folder: Path, content: str | bytes, *options: str, kind: str = "--reports", name: str = "in.csv") -> Result:
    source, out = folder / name, folder / "out.parquet"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    return CliRunner().invoke(cli, ["score", kind, str(source), "--out", str(out), *options])


def refused(folder: Path, content: str | bytes, *options: str, kind: str = "--reports", name: str = "in.csv") -> str:
    """What is said, without the folder; nothing may be written."""
    result = score(folder, content, *options, kind=kind, name=name)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, (folder / "out.parquet").exists(), result.stdout) == (1, False, "")
    assert result.stderr.startswith("kelsey: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.strip().removeprefix("kelsey: ").replace(f"{folder}/", "")


@pytest.mark.parametrize("kind", ["--reports", "--counts"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "in.csv: the file is empty"),
        ("\ufeff", "in.csv: the file is empty"),
        ("drug,reaction,case_id,count", "only a header"),
        ("drug,drug,reaction,case_id,count\na,b,x,1,1\n", "in.csv: the header has 'drug' more than once"),
        ("drug,drug ,reaction,case_id,count\na,b,x,1,1\n", "in.csv: the header has 'drug' more than once"),
        ("Drug,reaction,case_id,count\na,x,1,1\n", "column 'drug' is missing (did you mean 'Drug'?)"),
        (" drug,reaction,case_id,count\na,x,1,1\n", "column 'drug' is missing (did you mean ' drug'?)"),
        ("drug,reaction,case_id,count\n,x,1,1\n,y,2,1\n", "in.csv: column drug has no value in any row"),
        ("drug,reaction,case_id,count\na,  ,1,1\nb, ,2,1\n", "in.csv: column reaction has no value in any row"),
        ("drug,reaction,case_id,count\nNA,x,1,1\nnull,y,2,1\n", "in.csv: column drug has no value in any row"),
        ("drug,reaction,case_id,count\na,x,1,1\nb,,2,1\n", "row 3"),
        ("drug,reaction,case_id,count\ra,x,1,1\r", "in.csv: its lines end in a carriage return alone"),
        ('drug,reaction,case_id,count\n"a,x,1,1\nb,y,2,1\n', "in.csv: cannot be read as UTF-8 CSV"),
        (
            'drug,reaction,case_id,count\n"a\nb",x,1,1\na,x, y,2,1\n',
            "in.csv: row 3 has more fields than the header (put",
        ),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, kind: str, content: str, message: str) -> None:
    assert message in refused(tmp_path, content, kind=kind)


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_names_the_line(tmp_path: Path, name: str, encoding: str) -> None:
    content = f"{REPORTS}4,caf\u00e9,rash\n".encode(encoding)
    line = 1 if encoding == "utf-16" else 6
    said = refused(tmp_path, gzip.compress(content) if name.endswith("gz") else content, name=name)
    assert said == f"{name}: cannot be read as UTF-8 CSV: line {line} is not UTF-8 (save the file as UTF-8)"


def test_a_cut_archive(tmp_path: Path) -> None:
    rows = "".join(f"{case},drug {case * 7919 % 1000},rash\n" for case in range(2000))
    packed = gzip.compress(f"case_id,drug,reaction\n{rows}".encode())
    assert "cannot be read as UTF-8 CSV" in refused(tmp_path, packed[: len(packed) // 2], name="in.csv.gz")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,x,-1", "row 2: count must be at least 0, not '-1'"),
        ("a,x,1\nb,x,2.5", "row 3: count must be a whole number, not '2.5'"),
        ("a,x,nan\nb,x,2", "row 2: count must be a whole number, not 'nan'"),
        ("a,x,1\nb,x,", "row 3: count has no value"),
        ("a,x,99999999999999999999", "row 2: count is too large: '99999999999999999999'"),
        ("a,x,9007199254740992\nb,x,9007199254740992", "the counts add up to more than 9,007,199,254,740,992"),
        ("a,x,1\na,x,1", "row 3: the pair ('a', 'x') stands there a second time"),
        ("a,x,0", "in.csv: every count is 0"),
    ],
)
def test_counts_that_cannot_be(tmp_path: Path, rows: str, message: str) -> None:
    assert message in refused(tmp_path, f"drug,reaction,count\n{rows}\n", kind="--counts")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("6,5,9,20", "count '6' is larger than its margin n_drug = '5'"),
        ("6,9,5,20", "count '6' is larger than its margin n_reaction = '5'"),
        ("21,30,30,20", "count '21' is larger than its margin n_total = '20'"),
        ("1,21,5,20", "n_drug = '21' is larger than n_total = '20'"),
        ("1,5,21,20", "n_reaction = '21' is larger than n_total = '20'"),
        ("1,11,11,20", "n_drug + n_reaction - count is larger than n_total = '20'"),
        ("1,5,5,", "n_total has no value"),
        ("1,5.5,5,20", "n_drug must be a whole number, not '5.5'"),
        ("1,5,6,21", "n_total is '21', but another number in other rows"),
    ],
)
def test_margins_that_cannot_be(tmp_path: Path, row: str, message: str) -> None:
    said = refused(tmp_path, f"{MARGINS}a,x,1,5,5,20\nb,x,{row}\n", kind="--counts")
    assert said.removeprefix("in.csv: ") == f"row 3: {message}"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("drug,warfarine,g", "groups.csv: no report names the drug 'warfarine' (the nearest are 'warfarin')"),
        ("reaction,bleding,g", "groups.csv: no report names the reaction 'bleding' (the nearest are 'bleeding')"),
        ("drug,warfarin,", "groups.csv: row 2: group has no value"),
        ("drugs,warfarin,g", "groups.csv: row 2: kind must be drug or reaction, not 'drugs'"),
    ],
)
def test_groups_that_cannot_be(tmp_path: Path, groups: str, message: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(f"kind,name,group\n{groups}\n")
    assert refused(tmp_path, REPORTS, "--groups", str(path)) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subset", "reaction=bleding"], "no report has the reaction 'bleding' (the nearest are 'bleeding')"),
        (["--level", "nan"], "level must lie in (0, 1), not nan"),
        (["--since", "2024-02-01", "--until", "2024-01-01"], "since must not be after until, not 2024-02-01 and"),
        (["--measures", "ic_close"], "there is no measure 'ic_close' (did you mean 'ic_closed'?)"),
        (["--measures", ","], "at least one measure must be asked for"),
        (["--measures", "ic_closed", "--level", "0.9"], "level of the closed form must be 0.95, not 0.9"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: list[str], message: str) -> None:
    assert refused(tmp_path, REPORTS, *options).startswith(message)


def test_a_report_of_two_strata_is_named_by_its_row_in_the_file(tmp_path: Path) -> None:
    """Also where a condition leaves rows out, or a group doubles them."""
    reports = (
        "case_id,drug,reaction,sex,date\n1,a,x,f,2023-01-01\n2,a,x,f,2024-05-01\n3,c,y,,2024-05-01\n"
        "3,a,y,unknown,2024-05-01\n2,b,x,m,2024-05-01\n"
    )
    groups = tmp_path / "groups.csv"
    groups.write_text("kind,name,group\ndrug,a,g\ndrug,a,h\n")
    for options in ([], ["--since", "2024-01-01"], ["--groups", str(groups)], ["--subset", "drug=b"]):
        said = refused(tmp_path, reports, "--stratify", "sex", *options)
        assert said.startswith(f"in.csv: the report of row {6 if options else 3} stands in two strata"), options
    assert score(tmp_path, reports, "--stratify", "sex", "--subset", "sex=f").exit_code == 0


def test_the_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(REPORTS)
    result = CliRunner().invoke(cli, ["score", "--reports", str(path), "--out", str(tmp_path / "." / "reports.csv")])
    assert "is the file to read" in result.stderr
    assert (result.exit_code, path.read_text()) == (1, REPORTS)


@pytest.mark.parametrize(
    "content",
    [
        REPORTS.rstrip("\n"),
        REPORTS.replace("\n", "\r\n"),
        "\ufeff" + REPORTS,
        '"' + REPORTS.rstrip("\n").replace(",", '","').replace("\n", '"\n"') + '"',
    ],
    ids=["no final newline", "CRLF", "byte order mark", "quoted"],
)
def test_forms_of_one_table(tmp_path: Path, content: str) -> None:
    assert score(tmp_path, REPORTS).exit_code == 0
    plain = (tmp_path / "out.parquet").read_bytes()
    assert score(tmp_path, content).exit_code == 0
    assert (tmp_path / "out.parquet").read_bytes() == plain


@pytest.mark.parametrize("kind", ["--reports", "--counts"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_every_column_can_be_asked_for(tmp_path: Path, kind: str, is_packed: bool) -> None:
    random = np.random.default_rng(5)
    ratio = np.where(random.random((20, 15)) < 0.1, 8.0, 0.7)
    counts = random.poisson(2 * np.outer(random.gamma(2, 0.5, 20), random.gamma(2, 0.5, 15)) * ratio)
    pairs = [(d, r, int(counts[d, r])) for d, r in zip(*np.nonzero(counts), strict=True)]
    if kind == "--counts":
        text = "drug,reaction,count\n" + "".join(f"d{d},r{r},{count}\n" for d, r, count in pairs)
    else:
        rows = [(d, r) for d, r, count in pairs for _ in range(count)]
        text = "case_id,drug,reaction\n" + "".join(f"{case},d{d},r{r}\n" for case, (d, r) in enumerate(rows))
    content = gzip.compress(text.encode()) if is_packed else text.encode()
    with_limits = ("prr", "ror", "ic", "ic_closed", "ic_bcpnn", "ror_exact")
    measures = {name: [name, f"{name}_lower", f"{name}_upper"] for name in with_limits}
    measures |= {name: [name] for name in ("chi2", "fisher_p", "fisher_mid_p")}
    measures |= {"ebgm": ["ebgm", "eb05", "eb95"], "llr": ["llr", "llr_p", "q_value"]}
    fixed = ["drug", "reaction", "n", "n_drug", "n_reaction", "n_total", "expected"]
    name = "in.csv.gz" if is_packed else "in.csv"
    for columns in [] if is_packed else measures.values():
        for column in columns[-1:]:  # a column stands for its measure
            result = score(tmp_path, content, "--measures", column, "--json", kind=kind, name=name)
            assert result.exit_code == 0, result.stderr
            frame = pl.read_parquet(tmp_path / "out.parquet")
            rules = json.loads(result.stdout)["rules"]
            assert frame.columns == [*fixed, *columns, *rules]
            assert frame[column].null_count() == 0
    assert score(tmp_path, content, "--measures", ",".join(measures), kind=kind, name=name).exit_code == 0
    every = {column for columns in measures.values() for column in columns}
    assert every <= set(pl.read_parquet(tmp_path / "out.parquet").columns)


def test_json_alone_on_standard_output_and_words_without_it(tmp_path: Path) -> None:
    summary = json.loads(score(tmp_path, COUNTS, "--json", kind="--counts").stdout)
    assert list(summary) == [
        "reports", "pairs", "drugs", "reactions", "strata", "rules", "variants", "prior", "prior_status",
        "negative_log_likelihood", "gradient_norm", "starts", "starts_agreeing",
        "drugs_with_exposure",
    ]  # fmt: skip
    said = score(tmp_path, COUNTS, kind="--counts").stdout.splitlines()
    assert said[0].split() == ["reports", "4"]
    assert said[-1] == "prior of EBGM: a prior needs at least 10 pairs, not 3"
    assert any(line.startswith("flagged by evans") for line in said)


def test_a_row_too_long_in_a_packed_file_is_named(tmp_path: Path) -> None:
    packed = gzip.compress((REPORTS + "4,aspirin,rash,severe\n").encode())
    assert "in.csv.gz: row 6 has more fields" in refused(tmp_path, packed, name="in.csv.gz")


def test_a_value_that_is_near_none_is_answered_with_those_there_are(tmp_path: Path) -> None:
    named = "case_id,drug,reaction,group\n1,warfarin,bleeding,0.0\n2,aspirin,rash,1.0\n"
    message = refused(tmp_path, named, "--subset", "group=2")
    assert message == "no report has the group '2' (there are '0.0', '1.0')"


def test_a_file_of_rules_that_is_not_there_is_said(tmp_path: Path) -> None:
    message = refused(tmp_path, REPORTS, "--rule", str(tmp_path / "own.toml"))
    assert message == "own.toml: cannot be read: No such file or directory"
