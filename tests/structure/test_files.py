"""What no file of the repository may hold, and how large it may be."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from tests.structure.repository import PACKAGES, ROOT, files, modules, parse, text_files

LARGEST_BYTES = 1_000_000
LONGEST_MODULE_LINES = 300

# written in two halves, so that this file does not hold them itself
REGISTRY_HOSTS = [
    "".join(halves)
    for halves in [
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("repo1.maven", ".org"),
        ("repo.maven.apache", ".org"),
        ("maven.google", ".com"),
        ("static.crates", ".io"),
        ("index.crates", ".io"),
        ("proxy.golang", ".org"),
        ("sum.golang", ".org"),
        ("deb.debian", ".org"),
        ("security.debian", ".org"),
        ("docker", ".io"),
        ("quay", ".io"),
        ("ghcr", ".io"),
        ("gcr", ".io"),
        ("registry.k8s", ".io"),
    ]
]
MACHINE_PATHS = ["".join(halves) for halves in [("/wo", "rk/"), ("/tm", "p/k/"), ("/ro", "ot/"), (".pye", "nv/")]]
FORBIDDEN = re.compile("|".join(re.escape(word) for word in [*REGISTRY_HOSTS, *MACHINE_PATHS]))

# MedDRA codes are 8 digits that begin with 100; the terminology is licensed, so none is ever committed
MEDDRA_CODE = re.compile(r"(?<![\w.-])100(?!00000)\d{5}(?![\w-])")


def lines_with(pattern: re.Pattern[str], texts: dict[Path, str]) -> list[str]:
    """Path, line number and match of every hit."""
    return [
        f"{path}:{number}: {found.group()}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]


def printing_calls(tree: ast.Module) -> list[int]:
    """Lines that call `print`: output goes through logs, metrics or the command line's console."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}
    ]


def test_no_registry_host_and_no_path_of_one_machine() -> None:
    assert lines_with(FORBIDDEN, text_files()) == []


def test_no_meddra_code() -> None:
    assert lines_with(MEDDRA_CODE, text_files()) == []


def test_no_large_file() -> None:
    large = {str(path): size for path in files() if (size := (ROOT / path).stat().st_size) > LARGEST_BYTES}
    assert large == {}


def test_no_long_module() -> None:
    lengths = {name: len((ROOT / path).read_text("utf-8").splitlines()) for name, path in modules(*PACKAGES)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE_LINES} == {}


def test_no_print() -> None:
    found = [f"{path}:{line}" for _, path in modules(*PACKAGES) for line in printing_calls(parse(path))]
    assert found == []


def test_every_ignored_type_error_has_code_and_reason() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[[a-z0-9, -]+\]\s+#?\s*\S)")
    code = {path: text for path, text in text_files().items() if path.suffix == ".py"}
    assert [line for line in lines_with(bare, code) if "test_files.py" not in line] == []


def test_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("line", [f"see https://{REGISTRY_HOSTS[0]}/simple", f"open({MACHINE_PATHS[0]}data)"])
def test_a_host_or_path_would_be_found(line: str) -> None:
    assert len(lines_with(FORBIDDEN, {Path("x"): line})) == 1


def test_a_meddra_code_would_be_found_and_a_number_is_not() -> None:
    code = "100" + "19211"
    assert len(lines_with(MEDDRA_CODE, {Path("x"): f'"Headache": "{code}"'})) == 1
    assert len(lines_with(MEDDRA_CODE, {Path("x"): f"{code},Headache"})) == 1
    assert lines_with(MEDDRA_CODE, {Path("x"): "10000000 or 100192110 or 0.10019211 or x10019211"}) == []


def test_a_print_would_be_found() -> None:
    assert printing_calls(ast.parse("def f():\n    print(1)")) == [2]
