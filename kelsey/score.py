"""`kelsey score`: all statistics of a plain table of reports, for an analyst who has no Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from cases import ParameterError
from detectors.rules import Rule, load_presets
from detectors.score import measures, score_all
from detectors.table import CountTable

__all__ = ["ScoreSummary", "score_reports"]

_COLUMNS = ("case_id", "drug", "reaction")
_FIRST_ROW = 2  # as people count the rows of a file whose first is the header


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSummary:
    """What was read and written.

    Parameters
    ----------
    report_count, pair_count, drug_count, reaction_count
        Distinct ones in the input; `pair_count` is also the number of rows written.
    strata
        Labels of the strata, each the values of the stratifying columns in their order; empty without them.
    flagged
        Pairs that each rule flags, by its name.
    variants
        Which published variant each measure is, by its column.
    """

    report_count: int
    pair_count: int
    drug_count: int
    reaction_count: int
    strata: tuple[tuple[str, ...], ...]
    flagged: Mapping[str, int]
    variants: Mapping[str, str]


def _header(path: Path) -> list[str]:
    """Column names as they stand in the first row (polars would rename double ones)."""
    first = pl.read_csv(path, has_header=False, infer_schema=False, n_rows=1)
    return ["" if name is None else name for name in first.row(0)]


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    double = [name for name, count in Counter(header).items() if count > 1]
    if double:
        raise ParameterError(f"{path}: the header has {double[0]!r} more than once")
    for name in wanted:
        if name not in header:
            near = get_close_matches(name, header, n=1)
            raise ParameterError(
                f"{path}: column {name!r} is missing",
                hint=f"did you mean {near[0]!r}?" if near else f"the header has {', '.join(map(repr, header))}",
            )


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """The wanted columns as text, exactly as they stand in the file."""
    try:
        _check_header(path, _header(path), columns)
        frame = pl.read_csv(path, infer_schema=False, columns=list(columns))
    except pl.exceptions.NoDataError as error:
        raise ParameterError(f"{path}: the file is empty", hint=f"a header {','.join(_COLUMNS)} is needed") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParameterError(f"{path}: cannot be read as UTF-8 CSV: {reason}") from error
    if frame.is_empty():
        raise ParameterError(f"{path}: the file holds no report, only a header")
    return frame


def _write(frame: pl.DataFrame, out: Path) -> None:
    """Write whole or not at all: under another name first, then renamed."""
    part = out.with_name(f".{out.name}.part")
    try:
        if out.suffix == ".csv":
            frame.write_csv(part)
        else:
            frame.write_parquet(part)
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise ParameterError(f"{out}: cannot be written: {error.strerror or type(error).__name__}") from error


def score_reports(
    path: Path,
    out: Path,
    *,
    stratify: Sequence[str] = (),
    level: float = 0.95,
    rules: Mapping[str, Rule] | None = None,
) -> ScoreSummary:
    """Score every pair of a table of reports and write one row a pair, sorted by drug, then reaction.

    Parameters
    ----------
    path
        UTF-8 CSV (plain or gzip) with a header that has ``case_id``, ``drug``, ``reaction`` and the columns of
        `stratify`; one row a pair that the report names. Text is taken as it stands.
    out
        File to write, ``.csv`` or ``.parquet``; replaced if it exists. Columns: drug, reaction, those of
        `detectors.score.score_all`, and one true/false column a rule. A measure that the counts do not define is empty.
        No number is rounded.
    stratify
        Columns that divide the reports. They change `expected`, which becomes the sum over the strata, and with it the
        three ic columns and the rules that read them; PRR, ROR and chi-square stay crude. A missing value is a stratum
        of its own, ``unknown``.
    level
        Coverage of the intervals, in (0, 1).
    rules
        Rules by name; the published presets by default.

    Raises
    ------
    ParameterError
        Naming file, column and row (the header is row 1): a missing or double column, an empty case id, drug or
        reaction, a column without any value, a report in two strata, a file that cannot be read or written.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise ParameterError(f"{out}: the name must end in .csv or .parquet")
    if len(set(stratify)) < len(stratify) or set(stratify) & set(_COLUMNS):
        raise ParameterError(f"stratify must name further columns, each once, not {', '.join(stratify)}")
    frame = _read(path, [*_COLUMNS, *stratify])
    try:
        table = CountTable.from_reports(
            frame["case_id"],
            frame["drug"],
            frame["reaction"],
            {name: frame[name] for name in stratify},
            first_row=_FIRST_ROW,
        )
    except ParameterError as error:
        raise ParameterError(f"{path}: {error.message}", hint=error.hint) from error

    arrays = table.arrays(stratified=bool(stratify))
    scores = score_all(arrays, level=level)
    flags = {name: rule.flags(scores) for name, rule in (load_presets() if rules is None else rules).items()}
    result = pl.DataFrame(
        {
            "drug": pl.Series(arrays.drug_names, dtype=pl.String).gather(arrays.drug_index),
            "reaction": pl.Series(arrays.reaction_names, dtype=pl.String).gather(arrays.reaction_index),
            **scores,
            **flags,
        }
    )
    _write(result.with_columns(pl.col(pl.Float64).fill_nan(None)), out)
    return ScoreSummary(
        report_count=table.report_count,
        pair_count=len(arrays),
        drug_count=len(arrays.drug_names),
        reaction_count=len(arrays.reaction_names),
        strata=table.strata if stratify else (),
        flagged={name: int(flag.sum()) for name, flag in flags.items()},
        variants={measure.columns[0]: measure.variant for measure in measures(level=level)},
    )
