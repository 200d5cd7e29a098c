"""Writes the description of the hub's interface: ``python -m hub.openapi`` renews docs/hub-openapi.json."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hub.api import create_routes

__all__ = ["main", "openapi_document"]

_ROOT = Path(__file__).resolve().parents[1]
_FILE = Path("docs/hub-openapi.json")


def openapi_document() -> str:
    """The OpenAPI document, as it is committed."""
    return json.dumps(create_routes().openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; with ``--check`` write nothing and return 1 if the committed one differs."""
    parser = argparse.ArgumentParser(prog="python -m hub.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed file differs")
    parser.add_argument("--root", type=Path, default=_ROOT, help="repository to write to (default: this one)")
    options = parser.parse_args(arguments)
    path = options.root / _FILE
    document = openapi_document()
    is_current = path.is_file() and path.read_text(encoding="utf-8") == document
    if options.check and not is_current:
        sys.stderr.write(f"{_FILE} is not what hub/ describes: run `make generate`\n")
    elif not is_current:
        path.write_text(document, encoding="utf-8")
        sys.stdout.write(f"wrote {_FILE}\n")
    return 1 if options.check and not is_current else 0


if __name__ == "__main__":
    raise SystemExit(main())
