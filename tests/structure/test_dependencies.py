"""What Kelsey depends on: declared where imported, locked with hashes, under licences an adopter can live with."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache

import pytest

from tests.structure.repository import ROOT, SHIPPED, modules, parse
from tests.structure.test_arrows import OURS, imported

# permissive, or copyleft for the file alone (MPL): each word covers an SPDX name and the classifier's wording
ACCEPTABLE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|BSD|0BSD|Apache|ISC|ISCL|PSF|Python Software Foundation|MPL|Mozilla|Zlib|CC0|Unlicense)\b",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|GNU|SSPL|EUPL|CC-BY-NC|Commons Clause)", re.IGNORECASE)

# what the patterns above would refuse, and why it is taken all the same
EXCUSED = {
    "crc32c": "LGPL-2.1-or-later: separate, unmodified, exchangeable; kafka-python is ten times slower without it",
}
# distributions that serve another package's import, so are never imported by name themselves
NOT_IMPORTED = {
    "crc32c": "kafka-python imports it",
    "pg8000": "SQLAlchemy imports it, by the database URL",
    "uvloop": "asyncio's loop, chosen by name",
    "fhir-resources": "imported as fhir.resources",
}


@cache
def locked(name: str) -> dict[str, set[str]]:
    """Distributions of a lock file and their versions (one each, or one for each range of Python versions)."""
    versions: dict[str, set[str]] = {}
    for found in re.finditer(r"^([a-z0-9.-]+)==([^\s;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE):
        versions.setdefault(found[1], set()).add(found[2])
    return versions


def canonical(name: str) -> str:
    """Name as a lock file spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: Iterable[str]) -> set[str]:
    """Distribution names of requirement lines."""
    return {canonical(re.split(r"[\s<>=!~;\[]", line)[0]) for line in requirements}


@cache
def project() -> dict[str, list[str]]:
    """The run-time dependencies and those of development, as pyproject.toml has them."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {"runtime": table["dependencies"], "dev": table["optional-dependencies"]["dev"]}


def undeclared_imports(packages: Iterable[str], distributions: set[str]) -> list[str]:
    """Imports whose distribution is none of `distributions`."""
    provider: Mapping[str, list[str]] = importlib.metadata.packages_distributions()
    found = []
    for module, path in modules(*packages):
        for line, name in imported(parse(path), module, is_package=path.name == "__init__.py"):
            top = name.split(".")[0]
            if top in OURS or top in sys.stdlib_module_names:
                continue
            if not {canonical(each) for each in provider.get(top, [])} & distributions:
                found.append(f"{module}:{line} imports {top}")
    return found


def licence(name: str) -> str:
    """What a distribution says of its licence: SPDX expression, else classifiers, else the free field's first line."""
    metadata = importlib.metadata.metadata(name)
    classifiers = metadata.get_all("Classifier") or []
    named = [line.split("::")[-1].strip() for line in classifiers if line.startswith("License")]
    free = metadata["License"].strip().splitlines()[:1] if "License" in metadata else []
    return metadata["License-Expression"] if "License-Expression" in metadata else ", ".join([*named, *free])


def is_acceptable(text: str) -> bool:
    """Whether a licence is on the list and names no strong copyleft (a choice, `OR`, may)."""
    return any(ACCEPTABLE.search(choice) and not COPYLEFT.search(choice) for choice in text.split(" OR "))


def test_what_ships_imports_only_run_time_dependencies() -> None:
    assert undeclared_imports(SHIPPED, declared(project()["runtime"])) == []


def test_what_tests_import_is_declared() -> None:
    everything = declared(project()["runtime"] + project()["dev"])
    assert undeclared_imports(("tests", "benchmarks"), everything) == []


def test_every_run_time_dependency_is_used() -> None:
    tops = {
        name.split(".")[0]
        for module, path in modules(*SHIPPED)
        for _, name in imported(parse(path), module, is_package=path.name == "__init__.py")
    }
    provider = importlib.metadata.packages_distributions()
    used = {canonical(each) for top in tops for each in provider.get(top, [])}
    assert sorted(declared(project()["runtime"]) - used - set(NOT_IMPORTED)) == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_line_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert re.search(r"://|^\s*(-i|-f|-e|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE) is None
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 50
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_locks_hold_what_is_declared_and_agree() -> None:
    assert sorted(declared(project()["runtime"]) - set(locked("requirements.lock"))) == []
    assert sorted(declared(project()["dev"]) - set(locked("requirements-dev.lock"))) == []
    development = locked("requirements-dev.lock")
    assert {name for name, versions in locked("requirements.lock").items() if development[name] != versions} == set()


def test_licences_of_all_locked_distributions() -> None:
    refused, unknown = {}, []
    for name in locked("requirements-dev.lock"):
        try:
            text = licence(name)
        except importlib.metadata.PackageNotFoundError:
            unknown.append(name)  # locked for another platform
            continue
        if not is_acceptable(text) and name not in EXCUSED:
            refused[name] = text
    assert refused == {}
    assert set(unknown) <= {"colorama"}, "the environment is not the locked one: run `make setup`"


def test_no_excuse_is_left_over() -> None:
    assert {name for name in EXCUSED if is_acceptable(licence(name))} == set()
    assert set(EXCUSED) <= set(locked("requirements-dev.lock"))
    assert set(NOT_IMPORTED) <= declared(project()["runtime"])


@pytest.mark.parametrize(
    "text", ["GPL-3.0-or-later", "AGPL-3.0", "GNU Lesser General Public License v3 (LGPLv3)", "", "Proprietary"]
)
def test_a_licence_that_would_bind_adopters_is_refused(text: str) -> None:
    assert not is_acceptable(text)


@pytest.mark.parametrize(
    "text", ["MIT", "Apache-2.0 OR GPL-2.0", "BSD License", "MPL-2.0 AND MIT", "Apache License, Version 2.0"]
)
def test_a_permissive_licence_is_taken(text: str) -> None:
    assert is_acceptable(text)
