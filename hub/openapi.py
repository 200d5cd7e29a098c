"""Writes the description of the hub's interface: ``python -m hub.openapi`` renews docs/hub-openapi.json."""

from __future__ import annotations

import json
from pathlib import Path

from hub.api import create_routes

__all__ = ["openapi_document"]

_FILE = Path(__file__).parent.parent / "docs" / "hub-openapi.json"


def openapi_document() -> str:
    """The OpenAPI document, as it is committed."""
    return json.dumps(create_routes().openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    _FILE.write_text(openapi_document(), encoding="utf-8")
