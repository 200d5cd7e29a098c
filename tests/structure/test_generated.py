"""The generated files that are committed are what the code makes, and a stale one is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import dashboards.generate
import hub.openapi

GENERATORS: list[Callable[[Sequence[str]], int]] = [dashboards.generate.main, hub.openapi.main]


@pytest.mark.parametrize("main", GENERATORS, ids=["dashboards", "openapi"])
def test_committed_files_are_current(main: Callable[[Sequence[str]], int]) -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("main", GENERATORS, ids=["dashboards", "openapi"])
def test_a_stale_file_is_found_and_renewed(
    main: Callable[[Sequence[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "is not what" in capsys.readouterr().err
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0
    for written in (path for path in tmp_path.rglob("*") if path.is_file()):
        written.write_text("stale")
    assert main(["--check", "--root", str(tmp_path)]) == 1
