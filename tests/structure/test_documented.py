"""What an operator can meet (metric, alert, setting, code, command) is in the docs; what the docs name exists."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType

import click
import msgspec
import pytest

from cases import KelseyError
from tests.structure.repository import PACKAGES, ROOT, files, modules, parse, text_files

# classes of stable codes that reach an operator: dead letters, refusals, ledger states
CODE_CLASSES = re.compile(r"(Reason|Fault|Verdict)$|^(SdrState|ReleaseState|TopicRole|Role)$")
METRIC_MODULES = ("streams/metrics.py", "hub/metrics.py", "hub/aggregator/metrics.py")
SETTINGS_MODULES = (
    "streams.settings",
    "streams.secure_sum_settings",
    "streams.source_settings",
    "hub.settings",
    "hub.aggregator.settings",
)
FILES_OF_EVERY_PROJECT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "docs/tour.md")


def pages() -> dict[Path, str]:
    """The documentation: everything an operator reads."""
    return {path: text for path, text in text_files().items() if path.suffix == ".md"}


def reference() -> str:
    """All of docs/ as one text."""
    return "\n".join(text for path, text in pages().items() if path.parts[0] == "docs")


def undocumented(names: set[str], text: str) -> list[str]:
    """Those that the text does not have as code, alone or with labels or a value behind."""
    return sorted(name for name in names if not re.search(rf"[`\s|]{re.escape(name)}[`\s{{=,|:]", text))


def our_modules() -> Iterator[ModuleType]:
    """Every module of ours, imported."""
    for name, path in modules(*PACKAGES):
        if path.name != "__main__.py":
            yield importlib.import_module(name)


def stable_codes() -> set[str]:
    """Values of the code classes and the codes of all errors."""
    classes = {thing for module in our_modules() for thing in vars(module).values() if isinstance(thing, type)}
    reasons = {cls for cls in classes if issubclass(cls, StrEnum) and CODE_CLASSES.search(cls.__name__)}
    errors = {cls for cls in classes if issubclass(cls, KelseyError)}
    return {str(member) for cls in reasons for member in cls} | {cls.code for cls in errors}


def metric_names(tree: ast.Module) -> set[str]:
    """Names of the metrics that a module declares, as Prometheus shows them: a counter ends in `_total`."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Counter"), args=[ast.Constant(value=str(name)), *_]):
                names.add(f"{name.removesuffix('_total')}_total")
            case ast.Call(func=ast.Name(id="Gauge" | "Histogram"), args=[ast.Constant(value=str(name)), *_]):
                names.add(name)
    return names


def settings_of(module: ModuleType) -> set[str]:
    """Names of the settings a module reads from a file."""
    names: set[str] = set()
    for thing in vars(module).values():
        if not isinstance(thing, type) or thing.__module__ != module.__name__:
            continue
        if issubclass(thing, msgspec.Struct):
            names |= {field.encode_name for field in msgspec.structs.fields(thing)}
        elif dataclasses.is_dataclass(thing):
            names |= {field.name for field in dataclasses.fields(thing)}
    return {name for name in names if not name.startswith("_")}


def code_lines(text: str) -> Iterator[str]:
    """Lines of fenced blocks, and inline code."""
    for fenced in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from fenced.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def wrong_command(line: str, root: click.Command) -> str | None:
    """Say what a `kelsey ...` line gets wrong: a subcommand or an option that is not there."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:
        words = line.split()[1:]
    command = root
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        if words[0] not in command.commands:
            return f"{line}: no command {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for param in command.params for option in [*param.opts, *param.secondary_opts]} | {"--help"}
    for word in words:
        option = re.match(r"\[?(--[a-z-]+)", word)
        if option and option[1] not in known and not isinstance(command, click.Group):
            return f"{line}: no option {option[1]}"
    return None


def make_targets() -> set[str]:
    """Targets that the Makefile has."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_every_metric_is_documented() -> None:
    for name in METRIC_MODULES:
        metrics = metric_names(parse(Path(name)))
        assert len(metrics) > 5
        assert undocumented(metrics, reference()) == []


def test_metrics_are_declared_in_their_modules_alone() -> None:
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    stray = [
        f"{path}:{node.lineno}"
        for _, path in modules(*PACKAGES)
        if str(path) not in METRIC_MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        if kinds & {alias.name for alias in node.names}
    ]
    assert stray == []


def test_every_stable_code_is_documented() -> None:
    codes = stable_codes()
    assert {"unresolved-reference", "bad-signature", "configuration", "confirmed"} <= codes
    assert undocumented(codes, reference()) == []


@pytest.mark.parametrize("name", SETTINGS_MODULES)
def test_every_setting_is_documented(name: str) -> None:
    settings = settings_of(importlib.import_module(name))
    assert len(settings) > 3
    assert undocumented(settings, reference()) == []


def test_every_alert_has_a_runbook() -> None:
    rules = [text for path, text in text_files().items() if path.parts[:2] == ("dashboards", "prometheus")]
    alerts = {name for text in rules for name in re.findall(r"^\s*-?\s*alert: (\w+)", text, re.MULTILINE)}
    assert len(alerts) > 5
    headings = set(re.findall(r"^#+ (\w+)$", (ROOT / "docs" / "runbooks.md").read_text("utf-8"), re.MULTILINE))
    assert alerts - headings == set()


def test_every_make_command_in_the_docs_exists() -> None:
    used = {
        (str(path), target)
        for path, text in pages().items()
        for line in code_lines(text)
        for target in re.findall(r"^(?:\$ )?make ([a-z-]+)", line)
    }
    assert {target for _, target in used} >= {"demo", "test"}
    assert {(page, target) for page, target in used if target not in make_targets()} == set()


def test_every_kelsey_command_in_the_docs_exists() -> None:
    root = importlib.import_module("kelsey.cli").cli
    assert isinstance(root, click.Group)
    lines = [
        (path, line)
        for path, text in pages().items()
        for line in code_lines(text)
        if re.match(r"(\$ )?kelsey [a-z]", line)
    ]
    assert len(lines) > 3
    wrong = [f"{path}: {said}" for path, line in lines if (said := wrong_command(line.removeprefix("$ "), root))]
    assert wrong == []


def test_every_command_is_documented() -> None:
    root = importlib.import_module("kelsey.cli").cli
    written = " ".join(line for text in pages().values() for line in code_lines(text))
    missing = [name for name in root.commands if f"kelsey {name}" not in written]
    assert missing == []


def dead_references(path: Path, text: str) -> list[str]:
    """Links to files that are not there, and names of files of ours (as code) that are not there."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    dead = [link for link in links if not re.match(r"[a-z]+:", link) and not (ROOT / path.parent / link).exists()]
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|toml|json|yaml|csv))`", text)
    rooms = {*PACKAGES, "tests", "benchmarks", "docs", "helm"}
    dead += [name for name in named if name.split("/")[0] in rooms and not (ROOT / name).exists()]
    return [f"{path}: {name}" for name in dead]


def test_every_link_and_file_in_the_docs_exists() -> None:
    assert [line for path, text in pages().items() for line in dead_references(path, text)] == []


def test_a_dead_link_would_be_found() -> None:
    text = "[a](nowhere.md) [b](README.md#top) [c](https://example.org) `cases/case.py` `cases/nowhere.py`"
    assert dead_references(Path("x.md"), text) == ["x.md: nowhere.md", "x.md: cases/nowhere.py"]


def test_the_files_of_every_project_are_there() -> None:
    assert [name for name in FILES_OF_EVERY_PROJECT if Path(name) not in files()] == []
    assert len([path for path in files() if path.parts[:2] == ("docs", "adr")]) >= 4


def test_changelog_has_an_unreleased_section_with_entries() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    section = re.search(r"^## \[?Unreleased\]?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert re.search(r"^- \S", section[1], re.MULTILINE)


def test_an_undocumented_name_would_be_found() -> None:
    text = "| `kelsey_a_total{source}` | reads |\n`b-code`: says"
    assert undocumented({"kelsey_a_total", "b-code", "kelsey_a", "code"}, text) == ["code", "kelsey_a"]


@click.group()
def _example() -> None:
    """Group for the test below."""


@_example.command("run")
@click.option("--config")
def _run(config: str) -> None:
    """Command for the test below."""


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("kelsey run --config site.toml", False),
        ("kelsey runs", True),
        ("kelsey run [--confg FILE]", True),
        ("kelsey run 'unclosed", False),
    ],
)
def test_a_wrong_command_would_be_found(line: str, is_wrong: bool) -> None:
    assert (wrong_command(line, _example) is not None) == is_wrong
