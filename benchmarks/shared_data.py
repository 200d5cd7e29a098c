"""Where the public data sets of the benchmarks are."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_folder"]


def data_folder(part: str) -> Path:
    """The folder `part` of KELSEY_SHARED_DATA, or of `shared/data` beside the checkout.

    Raises `FileNotFoundError`, saying what to set, where there is none.
    """
    shared = Path(os.environ.get("KELSEY_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared"))
    for root in (shared / "data", shared):
        if (root / part).is_dir():
            return root / part
    raise FileNotFoundError(f"no {part}/ in {shared}; set KELSEY_SHARED_DATA to the folder that holds it")
