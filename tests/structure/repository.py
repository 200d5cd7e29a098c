"""The repository as the checks see it: its packages, modules and files."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["PACKAGES", "ROOT", "SHIPPED", "files", "modules", "parse", "text_files"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cases", "connectors", "dashboards", "detectors", "hub", "kelsey", "privacy", "streams")
SHIPPED = tuple(package for package in PACKAGES if package != "dashboards")  # that one generates what charts carry


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or would be: tracked, or new and not ignored. Paths below the root, sorted."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(sorted({Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()}))


@cache
def text_files() -> dict[Path, str]:
    """Those of `files` that are UTF-8 text, with their content."""
    texts: dict[Path, str] = {}
    for path in files():
        try:
            texts[path] = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


def modules(*packages: str) -> Iterator[tuple[str, Path]]:
    """Give dotted name and path of every module of the packages; a package's `__init__` has the package's name."""
    for path in files():
        if path.suffix == ".py" and path.parts[0] in packages:
            parts = path.with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@cache
def parse(path: Path) -> ast.Module:
    """Syntax tree of a file of the repository."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))
