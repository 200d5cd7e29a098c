"""Exposures from a file, drug by drug."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from cases import ParameterError, UnknownTermError
from kelsey.score_input import read_rows, unknown_name

__all__ = ["read_exposure"]


def read_exposure(path: Path, known: Collection[str]) -> dict[str, float]:
    """Exposure by drug from a CSV (plain or gzip) or Parquet file ``drug,exposure``; one without a value is left out.

    Raises `ParameterError`, naming the row: an empty drug, one that stands there twice, an exposure that is no number
    above 0; and where no row has an exposure. Raises `UnknownTermError`, naming the row and the nearest, for a drug
    that is not in `known`.
    """
    rows = read_rows(path, ["drug", "exposure"])
    drug, text = rows.frame["drug"], rows.frame["exposure"].str.strip_chars()
    rows.refuse(drug.is_null() | (drug.str.strip_chars() == ""), "drug has no value")
    rows.refuse(~drug.is_first_distinct(), "the drug {drug} stands there a second time")
    is_given = text.is_not_null() & (text != "")
    if not is_given.any():
        raise ParameterError(f"{path}: column exposure has no value in any row")
    amount = text.cast(pl.Float64, strict=False)
    is_amount = (amount > 0) & amount.is_finite()
    rows.refuse(is_given & ~is_amount.fill_null(value=False), "exposure must be a number above 0, not {exposure}")
    exposure: dict[str, float] = {}
    for row, (name, value) in enumerate(zip(drug, amount, strict=True), rows.first_row):
        if name not in known:
            raise UnknownTermError(
                f"{path}: row {row}: no report names the drug {name!r}", hint=unknown_name(name, known)
            )
        if value is not None:
            exposure[name] = value
    return exposure
