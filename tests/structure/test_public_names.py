"""Every `__all__` resolves and lists every public name; a package's `__init__` does nothing but gather them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.repository import PACKAGES, modules, parse

ALL = sorted(modules(*PACKAGES))
# `python -m package` has no names to offer
LIBRARY = [(name, path) for name, path in ALL if path.name not in {"__init__.py", "__main__.py"}]
INITS = [(name, path) for name, path in ALL if path.name == "__init__.py"]


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a subcommand (`@group.command(...)`): reached by its command name, never by import."""
    calls = [decorator.func for decorator in node.decorator_list if isinstance(decorator, ast.Call)]
    return any(isinstance(call, ast.Attribute) and call.attr in {"command", "group"} for call in calls)


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module's own top level defines; what it imports is not counted."""
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if is_command(node):
                continue
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module's top level binds by importing."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)


def public(names: Iterator[str]) -> set[str]:
    """Those without a leading underscore."""
    return {name for name in names if not name.startswith("_")}


def forbidden_statements(tree: ast.Module) -> list[str]:
    """Statements of an `__init__` other than its docstring, imports and `__all__`."""
    found = []
    for index, node in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        is_all = [ast.unparse(target) for target in targets if target is not None] == ["__all__"]
        if not (is_docstring or is_all or isinstance(node, ast.Import | ast.ImportFrom)):
            found.append(f"line {node.lineno}: {ast.unparse(node).splitlines()[0]}")
    return found


@pytest.mark.parametrize(("name", "path"), LIBRARY, ids=[name for name, _ in LIBRARY])
def test_module_lists_its_public_names(name: str, path: Path) -> None:
    module = importlib.import_module(name)
    listed: list[str] = module.__all__
    assert len(listed) == len(set(listed))
    assert [each for each in listed if not hasattr(module, each)] == []
    assert sorted(public(defined_names(parse(path))) - set(listed)) == []


@pytest.mark.parametrize(("name", "path"), INITS, ids=[name for name, _ in INITS])
def test_package_gathers_its_public_names(name: str, path: Path) -> None:
    tree = parse(path)
    assert ast.get_docstring(tree)
    assert forbidden_statements(tree) == []
    module = importlib.import_module(name)
    listed: list[str] = getattr(module, "__all__", [])
    assert [each for each in listed if not hasattr(module, each)] == []
    assert public(imported_names(tree)) == set(listed)


def test_an_unlisted_name_would_be_found() -> None:
    tree = ast.parse("import os\nx, _y = 1, 2\nz: int = 3\ndef f(): ...\nclass C: ...")
    assert public(defined_names(tree)) == {"x", "z", "f", "C"}


def test_a_side_effect_would_be_found() -> None:
    source = '"""Doc."""\nimport os\n__all__ = ["a"]\na = os.getcwd()\nprint(a)\nif a:\n    pass'
    assert len(forbidden_statements(ast.parse(source))) == 3
