"""Active cells chosen from public counts, a protocol with buckets made, promoted to the next era, and compared."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from cases import ConfigurationError, ParameterError, TermKind, Vocabulary
from hub.flag_shelf import ResidualReport
from hub.flagged_buckets import BucketCandidate, FlaggedBucket
from kelsey.annex import annex
from kelsey.cell_choice import choose_cells
from kelsey.cli import cli
from kelsey.promotion import promote
from kelsey.protocol_diff import Effect, differences
from kelsey.protocol_words import describe
from privacy.active_cells import ActiveCells
from privacy.protocol import SurveillanceProtocol
from tests.privacy.examples import protocol, with_buckets

TERMS = "kind,name,synonym,system,code\n" + "".join(
    [f"drug,drug {n},,,\n" for n in range(6)]
    + ["drug,drug 0,first drug,,\n"]
    + [f"reaction,reaction {n},,,\n" for n in range(5)]
)
COUNTS = (
    "drug,reaction,n\ndrug 0,reaction 0,60\nfirst drug,reaction 1,20\ndrug 1,reaction 0,15\nnobody's,reaction 0,9\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "terms.csv").write_text(TERMS)
    (tmp_path / "counts.csv").write_text(COUNTS)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def names(cells: ActiveCells) -> set[tuple[int, int]]:
    return {divmod(cell, cells.reactions) for cell in cells.numbers.tolist()}


def test_pairs_are_chosen_by_what_public_margins_let_expect(folder: Path) -> None:
    vocabulary = Vocabulary.from_csv(TERMS, name="terms")
    assert vocabulary.names(TermKind.DRUG)[0] == "drug 0"
    made = choose_cells(vocabulary, counts=folder / "counts.csv", floor=3.0)
    # drugs 80 and 15 of 95, reactions 75 and 20: expected 63.2, 16.8, 11.8, 3.16, the last never reported
    assert names(made.cells) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert made.expected_share == pytest.approx(1.0) and made.unknown_rows == 1
    assert names(choose_cells(vocabulary, counts=folder / "counts.csv", floor=11.9).cells) == {(0, 0), (0, 1)}
    (folder / "watch.csv").write_text("drug,reaction\ndrug 5,reaction 4\n")
    watched = choose_cells(
        vocabulary, counts=folder / "counts.csv", floor=60, watched_pairs=folder / "watch.csv", watched_drugs=["drug 3"]
    )
    assert names(watched.cells) == {(0, 0), (5, 4)} | {(3, n) for n in range(5)}
    assert watched.expected_share == pytest.approx(80 * 75 / 95**2)


def test_what_is_no_choice_is_refused_with_its_row(folder: Path) -> None:
    vocabulary = Vocabulary.from_csv(TERMS, name="terms")
    (folder / "watch.csv").write_text("drug,reaction\ndrug 5,reaction 4\ndrug 6,reaction 4\n")
    for options, message in (
        ({"floor": 0.0}, "floor must be above 0, not 0.0"),
        ({"floor": float("nan")}, "floor must be above 0, not nan"),
        ({"floor": 1e9}, "at least one"),
        ({"floor": 1.0, "watched_drugs": ["drug 9"]}, "drug 'drug 9' is not in the vocabulary"),
        ({"floor": 1.0, "watched_pairs": folder / "watch.csv"}, "row 3: drug 'drug 6' is not in the vocabulary"),
    ):
        with pytest.raises(ParameterError, match=message):
            choose_cells(vocabulary, counts=folder / "counts.csv", **options)
    (folder / "counts.csv").write_text("drug,reaction,n\nnobody's,reaction 0,9\n")
    with pytest.raises(ParameterError, match="no report of a pair of the vocabulary"):
        choose_cells(vocabulary, counts=folder / "counts.csv", floor=1.0)


def test_a_protocol_with_buckets_from_the_command_line(folder: Path) -> None:
    chosen = run(
        "protocol", "cells", "--vocabulary", folder / "terms.csv", "--counts", folder / "counts.csv", "--floor", 3,
        "--out", folder / "cells.json", "--json",
    )  # fmt: skip
    assert chosen.exit_code == 0, chosen.output
    facts = json.loads(chosen.stdout)
    assert facts | {"hash": ""} == {
        "hash": "", "active_cells": 4, "pairs": 30, "expected_share": 1.0, "unknown_rows": 1,
    }  # fmt: skip
    new = [
        "protocol", "new", "--name", "large", "--era", "2027", "--start", "2027-01-04", "--epoch", "week",
        "--epochs", 4, "--epsilon", 3, "--delta", "1e-7", "--vocabulary", folder / "terms.csv",
        "--out", folder / "protocol.json",
    ]  # fmt: skip
    made = run(*new, "--cells", folder / "cells.json", "--buckets", 8)
    assert made.exit_code == 0, made.output
    loaded = SurveillanceProtocol.load(folder / "protocol.json")
    assert loaded.active_cells == facts["hash"] and loaded.layout.lengths["pair"] == 12
    shown = json.loads(run("protocol", "show", folder / "protocol.json", "--json").stdout)
    assert shown["active cells"] == "4 pairs of 6 drugs x 5 reactions; all others share 8 buckets"
    alone = run(*new, "--cells", folder / "cells.json")
    assert alone.exit_code != 0 and "belong together" in alone.output
    assert "together, in 8 groups" in annex(loaded) and "one for each pair or group of pairs" in annex(loaded)
    assert "in 8 groups" not in annex(protocol())


def flagged(under: SurveillanceProtocol, *cells: int, named: int = 100) -> ResidualReport:
    """A report that flags the buckets of these cells."""
    buckets = []
    for bucket in sorted({under.layout.bucket(cell) or 0 for cell in cells}):
        members = [cell for cell in range(12) if under.layout.bucket(cell) == bucket]
        pairs = tuple(BucketCandidate(*under.pair(cell), 1 / len(members)) for cell in members[:named])
        buckets.append(
            FlaggedBucket(
                bucket=bucket, n=40.0, n_sd=5.0, expected=2.0, q_value=0.001, pair_count=len(members), candidates=pairs
            )
        )
    return ResidualReport(
        protocol_hash=under.hash, era=under.era, epoch=3, epoch_end=date(2026, 4, 30), false_discovery_rate=0.05,
        buckets=tuple(buckets),
    )  # fmt: skip


def test_candidates_are_active_in_the_next_era(folder: Path) -> None:
    now = with_buckets([0, 1], buckets=4)
    report = flagged(now, 7)
    made = promote(now, report, era="2027", start=date(2027, 1, 1))
    members = {cell for cell in range(12) if now.layout.bucket(cell) == now.layout.bucket(7)}
    assert 7 in members and set(made.cells.numbers.tolist()) == {0, 1} | members
    assert [now.cell(*pair) for pair in made.pairs] == sorted(members) and made.left_out == 0
    assert made.protocol.era == "2027" and made.protocol.calendar.start == date(2027, 1, 1)
    assert made.protocol.layout.own_position(7) is not None and made.protocol.hash != now.hash
    same = msgspec.structs.replace(made.protocol, era=now.era, calendar=now.calendar, active_cells=now.active_cells)
    assert same.hash == now.hash
    (changed,) = (each for each in differences(now, made.protocol) if each.what == "active cells")
    assert changed.effect is Effect.CELLS and changed.before == "2 pairs"
    assert changed.after == f"{2 + len(members)} pairs: {len(members)} added, 0 removed"
    fewer = promote(now, flagged(now, 7, named=1), era="2027", start=date(2027, 1, 1))
    assert fewer.left_out == len(members) - 1 and fewer.cells.count == 3


def test_differences_without_artefacts_and_with_other_lists() -> None:
    plain, sparse = protocol(), with_buckets([0, 5, 11], buckets=4)
    unbound = SurveillanceProtocol.decode(sparse.encode())
    shorter = with_buckets([0, 2], buckets=8, drugs=3, reactions=("reaction 3", "reaction 0", "other"))
    for old, new, before, after in (
        (plain, sparse, "every pair", "3 pairs"),
        (unbound, sparse, None, None),
        (unbound, shorter, f"artefact {str(sparse.active_cells)[:12]}", "2 pairs"),
        (sparse, shorter, "3 pairs", "2 pairs: 2 added, 3 removed"),
    ):
        found = [each for each in differences(old, new) if each.what == "active cells"]
        assert [(each.before, each.after) for each in found] == ([] if before is None else [(before, after)])
    assert {each.what for each in differences(sparse, shorter)} == {"reactions", "residual buckets", "active cells"}
    assert all(each.effect is Effect.CELLS for each in differences(sparse, shorter))


def test_promotion_from_the_command_line_takes_the_hubs_answer(folder: Path) -> None:
    now = with_buckets([0, 1], buckets=4)
    cells = ActiveCells.of(np.array([0, 1]), drugs=now.drugs, reactions=now.reactions, source="chosen for a test")
    now.dump(folder / "protocol.json")
    cells.dump(folder / "protocol.cells.json")
    (folder / "flagged.json").write_bytes(msgspec.json.encode(flagged(now, 7)))
    order = [
        "protocol", "promote", folder / "protocol.json", "--flagged", folder / "flagged.json", "--start", "2027-01-01",
        "--out", folder / "next.json",
    ]  # fmt: skip
    done = run(*order, "--era", "2027", "--epochs", 6)
    assert done.exit_code == 0, done.output
    following = SurveillanceProtocol.load(folder / "next.json")
    assert following.calendar.count == 6 and following.layout.own_position(7) is not None
    assert f"{following.cell_count - 2} pairs promoted" in done.output
    said = run("protocol", "diff", folder / "protocol.json", folder / "next.json").output
    assert "active cells: 2 pairs -> " in said and "costs no budget" in said
    again = run(*order, "--era", "2026")
    assert again.exit_code != 0 and "era must be another than 2026" in again.output
    (folder / "flagged.json").write_text("{}")
    empty = run(*order, "--era", "2027")
    assert empty.exit_code != 0 and "GET /v1/residual" in empty.output


def test_a_report_of_another_protocol_or_of_pairs_elsewhere_is_refused() -> None:
    now = with_buckets([0, 1], buckets=4)
    report = flagged(now, 7)
    start = date(2027, 1, 1)
    with pytest.raises(ParameterError, match="nothing to promote"):
        promote(protocol(), report, era="2027", start=start)
    with pytest.raises(ConfigurationError, match="the report was made under protocol"):
        promote(with_buckets([0, 2], buckets=4), report, era="2027", start=start)
    with pytest.raises(ParameterError, match="flags no bucket"):
        promote(now, msgspec.structs.replace(report, buckets=()), era="2027", start=start)
    (bucket,) = report.buckets
    for pair in (("drug 0", "reaction 0"), ("drug 0", "nothing")):
        wrong = msgspec.structs.replace(bucket, candidates=(BucketCandidate(*pair, None),))
        with pytest.raises(ConfigurationError, match="does not hold"):
            promote(now, msgspec.structs.replace(report, buckets=(wrong,)), era="2027", start=start)


def test_words_of_a_dense_protocol_are_what_they_were() -> None:
    assert describe(protocol())["active cells"] == "3 drugs x 4 reactions"
