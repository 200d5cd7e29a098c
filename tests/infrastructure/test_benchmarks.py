"""The benchmark command finds every benchmark, prints their rows, and says which failed to run."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.table import Row

ROW = Row(what="loops", ours=2000, peer="snail", peer_value=500, unit="1/s", ratio=4, reach="at least 3x", met=True)


def _plant(monkeypatch: pytest.MonkeyPatch, **runs: object) -> None:
    monkeypatch.setattr(command, "discover", lambda names: runs)


def test_every_benchmark_has_a_run() -> None:
    topics = sorted(path.stem for path in Path(command.__file__).parent.glob("bench_*.py"))
    assert [f"bench_{topic}" for topic in command.discover()] == topics
    for topic in topics:
        run = importlib.import_module(f"benchmarks.{topic}").run
        assert not inspect.signature(run).parameters


def test_an_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(["no-such-topic"])
    assert end.value.code == 2
    assert "no benchmark named no-such-topic" in capsys.readouterr().err


def test_rows_are_printed_and_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _plant(monkeypatch, snail=lambda: [ROW])
    monkeypatch.setattr(command, "_RESULTS", tmp_path / "RESULTS.md")
    assert command.main(["--record"]) == 0
    recorded = (tmp_path / "RESULTS.md").read_text()
    for text in (capsys.readouterr().out, recorded):
        assert "| loops | 2,000 1/s | snail | 500 1/s | 4x | at least 3x | yes |" in text
        assert "cores" in text
    assert "UTC" in recorded


def test_a_benchmark_that_breaks_hides_no_other_and_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks() -> list[Row]:
        raise OSError("no broker")

    _plant(monkeypatch, broken=breaks, snail=lambda: [ROW])
    monkeypatch.setattr(command, "_RESULTS", tmp_path / "RESULTS.md")
    assert command.main(["--record"]) == 1
    printed = capsys.readouterr().out
    assert "loops" in printed
    assert "FAILED to run: broken" in printed
    assert not (tmp_path / "RESULTS.md").exists()
