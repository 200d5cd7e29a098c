"""The wheel holds our packages and nothing else, and works where there is no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.structure.repository import ROOT, SHIPPED, files

pytestmark = pytest.mark.slow

_ASK = """
import importlib, importlib.metadata, json, pathlib
names = {packages}
print(json.dumps({{
    "owners": {{name: importlib.metadata.packages_distributions().get(name, []) for name in names}},
    "places": {{name: importlib.import_module(name).__file__ for name in names}},
}}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy of the committed files, without any download."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in files():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environment with the wheel and the locked dependencies, far from the checkout; gives its folder.

    The dependencies are taken from the running environment by a path line: Python reads no path lines of a folder
    that was itself added by one, so the checkout, which is linked into that environment, stays out.
    """
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", "--force-reinstall", str(wheel)], check=True)
    return folder


def _run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_wheel_holds_the_packages_files_and_no_others(wheel: Path) -> None:
    held = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    ours = {path for path in held if ".dist-info" not in path.parts[0]}
    assert ours == {path for path in files() if path.parts[0] in SHIPPED}
    assert any(path.name == "LICENSE" for path in held - ours)


def test_command_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = _run([installed / "bin" / "kelsey", "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
    assert done.stderr == ""


def test_each_import_name_belongs_to_this_distribution_alone(installed: Path, tmp_path: Path) -> None:
    done = _run([installed / "bin" / "python", "-c", _ASK.format(packages=SHIPPED)], tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["owners"] == {name: ["kelsey"] for name in SHIPPED}
    assert [place for place in answer["places"].values() if not Path(place).is_relative_to(installed)] == []


def test_tests_and_benchmarks_are_not_importable(installed: Path, tmp_path: Path) -> None:
    for name in ("tests", "benchmarks"):
        done = _run([installed / "bin" / "python", "-c", f"import {name}"], tmp_path)
        assert "ModuleNotFoundError" in done.stderr
