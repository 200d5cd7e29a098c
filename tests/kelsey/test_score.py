"""`kelsey score` as an analyst meets it: files in, files out, and errors that say where."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from cases import ParameterError
from detectors import CountTable, parse_rules, score_all
from kelsey.score import score_reports

REPORTS = """\
case_id,drug,reaction,sex,note
1,warfarin,haemorrhage,f,
1,warfarin,haemorrhage,f,same again
1,aspirin,haemorrhage,f,
2,warfarin,haemorrhage,m,
3,warfarin,haemorrhage,m,
4,aspirin,"rash, itching",m,
5,aspirin,nausea,,
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "reports.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str | bytes, *stratify: str) -> str:
    """The message that these reports are refused with; nothing may be written."""
    path, out = folder / "reports.csv", folder / "scores.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ParameterError) as caught:
        score_reports(path, out, stratify=stratify)
    assert sorted(folder.iterdir()) == [path]
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_scores_of_a_table_of_reports(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"scores{suffix}"
    summary = score_reports(write(tmp_path, REPORTS), out)
    frame = pl.read_csv(out) if suffix == ".csv" else pl.read_parquet(out)
    assert frame.columns == [
        "drug", "reaction", "n", "n_drug", "n_reaction", "n_total", "expected", "prr", "prr_lower", "prr_upper",
        "ror", "ror_lower", "ror_upper", "chi2", "ic", "ic_lower", "ic_upper", "ebgm", "eb05", "eb95",
        "evans", "ema", "evdas", "evdas_monitored", "umc",
    ]  # fmt: skip
    assert frame["ebgm"].is_null().all()  # four pairs have no prior
    assert summary.fit is None
    assert "at least 10 pairs" in summary.fit_status
    assert frame.select("drug", "reaction", "n", "n_drug", "n_reaction", "n_total").rows() == [
        ("aspirin", "haemorrhage", 1, 3, 3, 5),
        ("aspirin", "nausea", 1, 3, 1, 5),
        ("aspirin", "rash, itching", 1, 3, 1, 5),
        ("warfarin", "haemorrhage", 3, 3, 3, 5),
    ]
    source = pl.read_csv(tmp_path / "reports.csv")
    expected = score_all(CountTable.from_reports(source["case_id"], source["drug"], source["reaction"]).arrays())
    for name, column in expected.items():
        assert frame[name].to_list() == column.tolist(), name  # every digit
    assert frame.schema["evans"] == pl.Boolean
    assert (summary.report_count, summary.pair_count, summary.drug_count, summary.reaction_count) == (5, 4, 2, 3)
    assert summary.flagged == {
        name: int(frame[name].sum()) for name in ("evans", "ema", "evdas", "evdas_monitored", "umc")
    }
    assert summary.variants["ic"] == "gamma limits"
    assert summary.strata == ()


def test_stratified_scores(tmp_path: Path) -> None:
    path = write(tmp_path, REPORTS)
    summary = score_reports(path, tmp_path / "crude.parquet")
    assert summary.strata == ()
    summary = score_reports(path, tmp_path / "adjusted.parquet", stratify=["sex"])
    assert summary.strata == (("f",), ("m",), ("unknown",))
    crude, adjusted = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("crude", "adjusted"))
    # warfarin, haemorrhage: 1 * 1 / 1 among women, 2 * 2 / 3 among men, none among unknown
    assert adjusted["expected"].to_list()[3] == pytest.approx(1 + 4 / 3, rel=1e-15)
    assert crude["expected"].to_list()[3] == pytest.approx(9 / 5, rel=1e-15)
    same = [name for name in crude.columns if not name.startswith(("expected", "ic", "umc"))]
    assert adjusted.select(same).equals(crude.select(same))
    assert not adjusted["ic"].equals(crude["ic"])


def test_an_undefined_measure_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path, "case_id,drug,reaction\n1,warfarin,rash\n2,warfarin,nausea\n")
    score_reports(path, tmp_path / "scores.csv")
    assert pl.read_csv(tmp_path / "scores.csv")["chi2"].to_list() == [None, None]


def test_text_is_taken_as_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path, 'case_id,drug,reaction\n007,"a,b","say ""x"""\n7,A,NA\n07,Ä,1e5\n')
    assert score_reports(path, tmp_path / "s.parquet").report_count == 3
    frame = pl.read_parquet(tmp_path / "s.parquet")
    assert frame.select("drug", "reaction").rows() == [("A", "NA"), ("a,b", 'say "x"'), ("Ä", "1e5")]


def test_gzip_a_byte_order_mark_and_other_line_ends(tmp_path: Path) -> None:
    plain = write(tmp_path, REPORTS)
    packed = tmp_path / "reports.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + REPORTS.replace("\n", "\r\n").encode()))
    score_reports(plain, tmp_path / "plain.csv")
    score_reports(packed, tmp_path / "packed.csv")
    assert (tmp_path / "plain.csv").read_bytes() == (tmp_path / "packed.csv").read_bytes()


def test_an_own_rule_is_a_column(tmp_path: Path) -> None:
    rules = parse_rules('[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\nconditions=[{column="n", at_least=3}]')
    summary = score_reports(write(tmp_path, REPORTS), tmp_path / "scores.csv", rules=rules)
    assert summary.flagged == {"mine": 1}
    assert pl.read_csv(tmp_path / "scores.csv")["mine"].to_list() == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty (a header case_id,drug,reaction is needed)"),
        ("case_id,drug,reaction\n", "the file holds no report, only a header"),
        ("case_id,drugs,reaction\n1,a,x\n", "column 'drug' is missing (did you mean 'drugs'?)"),
        ("id;a;b\n1;a;x\n", "column 'case_id' is missing (the header has 'id;a;b')"),
        ("case_id,drug,drug,reaction\n1,a,b,x\n", "the header has 'drug' more than once"),
        ("case_id,drug,reaction\n1,a,x\n2,,x\n", "column drug has no value in row 3"),
        ('case_id,drug,reaction\n1,a,x\n2,b,"  "\n', "column reaction has no value in row 3"),
        ("case_id,drug,reaction\n,a,x\n2,b,x\n", "column case_id has no value in row 2"),
        ("case_id,drug,reaction\n1,,x\n2,,x\n", "column drug has no value in any row"),
        ("case_id,drug,reaction\n1,a,NA\n2,b,NA\n", "column reaction has no value in any row"),
    ],
)
def test_refused_files(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text) == message


def test_refused_strata(tmp_path: Path) -> None:
    assert refused(tmp_path, REPORTS, "age") == (
        "column 'age' is missing (the header has 'case_id', 'drug', 'reaction', 'sex', 'note')"
    )
    text = "case_id,drug,reaction,sex\n1,a,x,f\n2,a,x,f\n2,b,x,m\n"
    assert refused(tmp_path, text, "sex") == (
        "the report of row 3 stands in two strata (every row of a report must carry the same stratum)"
    )
    text = "case_id,drug,reaction,sex\n1,a,x,\n2,a,x,\n"
    assert refused(tmp_path, text, "sex") == "column sex has no value in any row"
    for stratify in (["drug"], ["sex", "sex"]):
        with pytest.raises(ParameterError, match="stratify must name further columns, each once"):
            score_reports(write(tmp_path, REPORTS), tmp_path / "scores.csv", stratify=stratify)


@pytest.mark.parametrize(
    "damage",
    [b"case_id,drug,reaction\n1,caf\xe9,x\n", b"\x1f\x8b\x08 not gzip"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    assert "cannot be read as UTF-8 CSV" in refused(tmp_path, damage)


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be read"):
        score_reports(tmp_path / "missing.csv", tmp_path / "scores.csv")
    path = write(tmp_path, REPORTS)
    with pytest.raises(ParameterError, match=r"must end in \.csv, \.parquet or \.xlsx"):
        score_reports(path, tmp_path / "scores.txt")
    with pytest.raises(ParameterError, match="cannot be written"):
        score_reports(path, tmp_path / "no folder" / "scores.csv")
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_result_survives_a_refused_run(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    score_reports(write(tmp_path, REPORTS), out)
    before = out.read_bytes()
    with pytest.raises(ParameterError):
        score_reports(write(tmp_path, "case_id,drug,reaction\n1,,x\n2,a,x\n"), out)
    assert out.read_bytes() == before


@pytest.mark.shared_data
def test_the_published_counts_of_caers(tmp_path: Path, shared_data: Path) -> None:
    source = pl.read_csv(shared_data / "caers" / "caers_2012_supplements.csv", infer_schema=False)
    path = tmp_path / "caers.csv"
    source.rename({"id": "case_id", "var1": "drug", "var2": "reaction"}).write_csv(path)
    summary = score_reports(path, tmp_path / "scores.parquet")
    assert (summary.report_count, summary.pair_count) == (3356, 17189)
    assert (summary.flagged["evans"], summary.flagged["umc"]) == (319, 257)
