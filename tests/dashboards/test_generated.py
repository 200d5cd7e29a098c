"""What is committed is what the code makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.generate import files, main


def test_committed_files_are_generated_ones() -> None:
    assert main(["--check"]) == 0


def test_a_changed_file_is_found_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0
    changed = tmp_path / "helm/site/files/rules.yaml"
    changed.write_text(changed.read_text(encoding="utf-8").replace("5000", "9000"), encoding="utf-8")
    capsys.readouterr()
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "helm/site/files/rules.yaml" in capsys.readouterr().err


def test_generation_is_deterministic() -> None:
    assert files() == files()
