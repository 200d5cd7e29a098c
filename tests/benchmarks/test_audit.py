"""`make audit`: sections in their order, each replaced alone; the exit code says what was found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import audit


def test_a_small_run_is_recorded_beside_what_was_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "AUDIT.md"
    audit.record("Processes killed", "2,000 kills", path)
    monkeypatch.setattr(audit, "_RECORD", path)
    assert audit.main(["audit", "--runs", "400", "--record"]) == 0
    said = capsys.readouterr().out
    text = path.read_text()
    assert text.index("## Lower bounds of what is lost") < text.index("## Processes killed\n\n2,000 kills")
    rows = [line for line in text.splitlines() if line.startswith(("| 1 |", "| 3 |"))]
    assert len(rows) == 6 * 3
    assert all(row in said for row in rows)
    audit.record("Processes killed", "3,000 kills", path)
    assert "2,000" not in path.read_text()
    assert all(row in path.read_text() for row in rows)


def test_crashes_are_told_by_where_they_were() -> None:
    points = Counter({"gate drawn": 3, "gate sealed": 4, "ledger before COMMIT": 5, "gate store after INSERT": 6})
    total = Counter(crashes=18, eras=2, epochs=40, overspent=0, second_draws=1, wrong_sums=0)
    words = audit.crash_words(total, points)
    assert "**18 crashes** in 2 eras with 40 releases and sums: **0 overspent ledgers, 1 second draws" in words
    assert "| steps of the gate | 7 |" in words
    assert "| statements on the ledger | 5 |" in words
    assert "| statements on the gate store | 6 |" in words


def test_an_unknown_section_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        audit.main(["everything"])
    assert end.value.code == 2
    assert "there are audit, crashes, kills" in capsys.readouterr().err
