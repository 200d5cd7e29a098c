"""Tests that the documentation names exist, and what is said to be survived names one."""

from __future__ import annotations

import re

from tests.structure.repository import ROOT, text_files

HOME = "tests/hub"  # of the files that the table of faults names without a folder


def named(text: str) -> list[tuple[str, str]]:
    """Every test that a text names as ``file.py::test``."""
    return re.findall(r"`([\w/]*test_\w+\.py)::(test_\w+)`", text)


def missing(text: str, home: str) -> list[str]:
    """Those that are not there; files without a folder are looked for in `home`."""
    gone = []
    for file, test in named(text):
        path = ROOT / (file if "/" in file else f"{home}/{file}")
        if not (path.exists() and re.search(rf"^ +def {test}\(|^def {test}\(", path.read_text("utf-8"), re.M)):
            gone.append(f"{file}::{test}")
    return gone


def faults() -> dict[str, str]:
    """Rows of the table "What it survives" by fault."""
    section = (ROOT / "docs/aggregator.md").read_text("utf-8").partition("## What it survives")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return {line.split("|")[1].strip(): line for line in lines}


def test_every_fault_names_tests_that_exist() -> None:
    rows = faults()
    assert len(rows) > 20
    assert [fault for fault, line in rows.items() if not named(line)] == []
    assert [gone for line in rows.values() for gone in missing(line, HOME)] == []


def test_other_pages_that_name_a_test_with_its_folder_name_one_that_exists() -> None:
    pages = [text for path, text in text_files().items() if path.suffix == ".md"]
    with_folder = [f"`{file}::{test}`" for text in pages for file, test in named(text) if "/" in file]
    assert len(with_folder) > 10
    assert missing(" ".join(with_folder), HOME) == []


def test_a_test_that_is_not_there_would_be_found() -> None:
    text = "`test_lying_sites.py::test_nothing`, `tests/hub/nowhere/test_x.py::test_y`, `test_totals.py::test_fus`"
    assert missing(text, HOME) == [name.strip("`") for name in text.split(", ")]
