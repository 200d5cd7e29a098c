"""A hierarchy of names from a file of two columns, child and parent."""

from __future__ import annotations

from pathlib import Path

from cases import ParameterError
from detectors.hierarchy import Hierarchy
from kelsey.score_input import read_rows

__all__ = ["read_hierarchy"]


def read_hierarchy(path: Path) -> Hierarchy:
    """The hierarchy of a CSV (plain or gzip) or Parquet file ``child,parent``; text is taken as it stands.

    Raises `ParameterError`, naming file and row (the header of a CSV is row 1), like `read_rows` and
    `Hierarchy.from_rows`.
    """
    rows = read_rows(path, ["child", "parent"])
    try:
        return Hierarchy.from_rows(rows.frame["child"], rows.frame["parent"], first_row=rows.first_row)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error.message}", hint=error.hint) from error
