"""How much a report says: a score in the manner of vigiGrade, with its weights in a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from importlib.resources import files

import msgspec
import polars as pl

from cases import ConfigurationError, ParameterError

__all__ = ["Completeness"]


class Completeness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    r"""Completeness of reports, :math:`\prod_k (1 - p_k)` over the things :math:`k` that a report does not say.

    Parameters
    ----------
    title, source, source_date
        What the penalties are, where they come from, and when that was published.
    penalties
        What is lost for each thing that is missing, in [0, 1], by the name of its column.

    Notes
    -----
    It says how much a report tells, not whether what it tells speaks for the drug. vigiGrade also takes part of a
    penalty for imprecise values, which this score does not.

    Examples
    --------
    >>> said = {name: ["yes", "yes"] for name in Completeness.published().penalties}
    >>> frame = pl.DataFrame(said | {"time_to_onset": [3, None], "sex": ["f", " "]})
    >>> Completeness.published().score_many(frame).to_list()
    [1.0, 0.35]

    References
    ----------
    Bergvall T, Noren GN, Lindquist M (2014), Drug Safety 37:65-77, doi:10.1007/s40264-013-0131-x
    """

    title: str
    source: str
    source_date: date
    penalties: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.penalties:
            raise ParameterError("penalties must name at least one column")
        for name, penalty in self.penalties.items():
            if not 0 <= penalty <= 1:
                raise ParameterError(f"the penalty of {name} must lie in [0, 1], not {penalty!r}")

    @classmethod
    def parse(cls, text: str) -> Completeness:
        """Penalties of a TOML text; raises `ConfigurationError`, naming the key, for anything else."""
        try:
            return msgspec.convert(tomllib.loads(text), cls)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ConfigurationError(f"completeness weights: {error}") from error

    @classmethod
    def published(cls) -> Completeness:
        """The penalties of vigiGrade, which come with Kelsey."""
        return cls.parse(files("detectors.context").joinpath("completeness_weights.toml").read_text(encoding="utf-8"))

    def score_many(self, frame: pl.DataFrame) -> pl.Series:
        """Score of each row, in [0, 1]; missing is a null, a NaN, a blank text, or the word ``unknown``.

        Raises `ParameterError`, naming the nearest, where `frame` lacks a column: a thing that the source never holds
        is a column of nulls, so that nobody takes its absence for completeness.
        """
        for name in self.penalties:
            if name not in frame.columns:
                near = get_close_matches(name, frame.columns, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "give a column of nulls where the source has none"
                raise ParameterError(f"column {name!r} is missing", hint=hint)
        words = {name: pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase() for name in self.penalties}
        missing = {name: text.is_null() | text.is_in(["", "unknown", "nan"]) for name, text in words.items()}
        kept = [
            pl.when(missing[name]).then(1 - penalty).otherwise(1.0).alias(name)
            for name, penalty in self.penalties.items()
        ]
        score = pl.repeat(1.0, len(frame), eager=True)
        for column in frame.select(kept).get_columns():
            score = score * column
        return score.alias("completeness")
