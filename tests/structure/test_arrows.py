"""Imports point one way, as the rooms of the design are drawn; the pure rooms stay pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.structure.repository import PACKAGES, modules, parse

MAY_IMPORT: dict[str, set[str]] = {
    "cases": set(),
    "detectors": {"cases"},
    "privacy": {"cases"},
    "connectors": {"cases"},
    "streams": {"cases", "detectors", "privacy", "connectors"},
    "hub": {"cases", "detectors", "privacy"},
    "dashboards": set(),
    "kelsey": {"cases", "detectors", "privacy", "connectors", "streams", "hub"},
}
OURS = {*PACKAGES, "tests", "benchmarks"}

# no clock, no network, no process, no chance of its own: these come in as arguments
IMPURE = {"asyncio", "httpx", "kafka", "aiokafka", "faust", "os", "random", "requests", "secrets", "socket", "sqlite3"}
IMPURE |= {"sqlalchemy", "subprocess", "tempfile", "threading", "time", "urllib"}
CLOCK_CALLS = {"now", "today", "utcnow"}


def imported(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Give line and dotted name of everything a module imports anywhere in it, also under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -(node.level - (1 if is_package else 0)) or None] if node.level else []
            yield node.lineno, ".".join([*base, *([node.module] if node.module else [])])


def backward_arrows(tree: ast.Module, module: str, *, is_package: bool = False) -> list[str]:
    """Imports of a room of ours that this module's room may not know."""
    room = module.split(".")[0]
    return [
        f"{module}:{line} imports {name}"
        for line, name in imported(tree, module, is_package=is_package)
        if name.split(".")[0] in OURS - MAY_IMPORT[room] - {room}
    ]


def impurities(tree: ast.Module, module: str) -> list[str]:
    """Imports and calls by which a module would reach outside of its arguments."""
    found = [
        f"{module}:{line} imports {name}"
        for line, name in imported(tree, module, is_package=False)
        if name.split(".")[0] in IMPURE
    ]
    found += [
        f"{module}:{node.lineno} asks the clock"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS
    ]
    return found


def test_no_arrow_runs_back() -> None:
    back = [
        arrow
        for module, path in modules(*PACKAGES)
        for arrow in backward_arrows(parse(path), module, is_package=path.name == "__init__.py")
    ]
    assert back == []


def test_domain_and_detectors_are_pure() -> None:
    found = [line for module, path in modules("cases", "detectors") for line in impurities(parse(path), module)]
    assert found == []


def test_every_room_has_an_entry_and_code() -> None:
    assert set(MAY_IMPORT) == set(PACKAGES)
    for package in PACKAGES:
        assert len(list(modules(package))) > 1, f"{package} holds no code"


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import streams.intake", "cases.case"),
        ("from hub import store", "streams.gate"),
        ("from streams.store import PartitionStore", "hub.store"),
        ("def f():\n    import connectors", "detectors.table"),
        ("from tests import conftest", "kelsey.cli"),
        ("from ..hub import store", "streams.gate"),
    ],
)
def test_a_backward_arrow_is_found(source: str, module: str) -> None:
    assert len(backward_arrows(ast.parse(source), module)) == 1


@pytest.mark.parametrize(
    ("source", "module"),
    [("from .table import CountTable", "detectors.score"), ("import cases", "hub.store"), ("import hub", "kelsey.cli")],
)
def test_an_allowed_arrow_is_not(source: str, module: str) -> None:
    assert backward_arrows(ast.parse(source), module) == []


@pytest.mark.parametrize("source", ["import time", "from random import choice", "datetime.datetime.now(UTC)"])
def test_an_impurity_is_found(source: str) -> None:
    assert len(impurities(ast.parse(source), "detectors.table")) == 1
