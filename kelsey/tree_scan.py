"""Tree-based scan of one drug from files of reports: what `kelsey treescan` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cases import ParameterError, UnknownTermError
from detectors.hierarchy import Hierarchy
from detectors.tree_scan import BernoulliCounts, Cut, NodeSets, PoissonCounts, tree_scan
from kelsey.context import plain
from kelsey.score_input import read_rows, unknown_name

__all__ = ["DrugTreeScan", "scan_against_baseline", "scan_against_comparators", "scan_against_expected"]

_COLUMNS = ("case_id", "drug", "reaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrugTreeScan:
    """The scan of one drug.

    Parameters
    ----------
    model
        What the reports were compared with, and how chance was drawn.
    drug
        The drug.
    reports, other_reports
        Distinct reports of the drug; those of the comparators, or of the drug in the baseline, if there is one.
    cuts
        As in `detectors.tree_scan.TreeScan`.
    replications, seed
        Draws, and where they started.
    """

    model: str
    drug: str
    reports: int
    other_reports: int | None
    cuts: tuple[Cut, ...]
    replications: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The result under the names that `kelsey treescan --json` prints."""
        values: dict[str, Any] = plain(asdict(self))
        return values


def _reports(path: Path) -> pl.DataFrame:
    rows = read_rows(path, _COLUMNS)
    for name in _COLUMNS:
        rows.refuse(rows.frame[name].fill_null("").str.strip_chars() == "", f"column {name} has no value")
    return rows.frame


def _of_drugs(path: Path, frame: pl.DataFrame, drugs: Sequence[str]) -> pl.DataFrame:
    known = frame["drug"].unique()
    for drug in drugs:
        if drug not in known:
            raise UnknownTermError(f"{path}: no report names the drug {drug!r}", hint=unknown_name(drug, known))
    return frame.filter(pl.col("drug").is_in(list(drugs)))


def _compared(
    hierarchy: Hierarchy,
    own: pl.DataFrame,
    others: pl.DataFrame,
    *,
    chance: float | None,
    model: str,
    drug: str,
    replications: int,
    seed: int,
) -> DrugTreeScan:
    """Scan the reports of one table against those of another, without a report in common."""
    both = pl.concat([own, others])
    sets, cases = NodeSets.of_reports(hierarchy, both["case_id"], both["reaction"])
    mine = cases.join(own, on="case_id", how="semi")
    tally, total = (np.bincount(each["set"].to_numpy(), minlength=sets.incidence.shape[0]) for each in (mine, cases))
    counts, random = BernoulliCounts(tally, total, chance=chance), np.random.default_rng(seed)
    return DrugTreeScan(
        model=model,
        drug=drug,
        reports=len(mine),
        other_reports=len(cases) - len(mine),
        cuts=tree_scan(sets, counts, random=random, replications=replications).cuts,
        replications=replications,
        seed=seed,
    )


def scan_against_comparators(
    reports: Path,
    hierarchy: Hierarchy,
    drug: str,
    *,
    comparators: Sequence[str] = (),
    chance: float | None = None,
    replications: int,
    seed: int,
) -> DrugTreeScan:
    """Which branches the reports of a drug name more often than those of other drugs do.

    A report of the drug counts as such even where it names a comparator too, with the reactions of the rows of the
    drug.

    Parameters
    ----------
    reports
        CSV (plain or gzip) or Parquet with ``case_id``, ``drug``, ``reaction``.
    hierarchy
        The tree of reactions, of all that these reports name.
    drug
        The drug.
    comparators
        Drugs to compare with; all others if none is given.
    chance
        As in `BernoulliCounts`: known beforehand, or None for the drug's own share of these reports.
    replications, seed
        As in `tree_scan`.

    Raises
    ------
    ParameterError
        A file that cannot be read, an empty value (naming the row), a drug compared with itself, no report to compare
        with, a chance or number out of range.
    UnknownTermError
        A drug that no report names, or a reaction that the hierarchy does not have; the nearest are named.
    """
    if drug in comparators:
        raise ParameterError(f"{drug!r} cannot be compared with itself")
    frame = _reports(reports)
    own = _of_drugs(reports, frame, [drug])
    others = _of_drugs(reports, frame, comparators) if comparators else frame.filter(pl.col("drug") != drug)
    others = others.join(own, on="case_id", how="anti")
    if others.is_empty():
        raise ParameterError(f"{reports}: every report of the comparators names {drug!r} as well")
    model = "Bernoulli, " + ("given the reports of the drug" if chance is None else f"chance {chance:g}")
    return _compared(
        hierarchy, own, others, chance=chance, model=model, drug=drug, replications=replications, seed=seed
    )


def scan_against_baseline(
    reports: Path, hierarchy: Hierarchy, drug: str, *, baseline: Path, ratio: float, replications: int, seed: int
) -> DrugTreeScan:
    """Which branches the reports of a drug name more often than those of an earlier period of the same drug do.

    Without a change a report of either period is of this one by the chance ``ratio / (1 + ratio)``. That allows for the
    chance in the earlier counts as well, which an expectation taken from them would not.

    Parameters
    ----------
    baseline
        Reports of the earlier period, in the form of `reports`.
    ratio
        Exposure now for each unit of exposure then, above 0: doses, patients, or time where use is steady.

    Raises
    ------
    ParameterError
        As `scan_against_comparators`; a report that stands in both files, a ratio that is not above 0 and finite.
    UnknownTermError
        As `scan_against_comparators`, of either file.
    """
    if not 0 < ratio < np.inf:
        raise ParameterError(f"ratio must be finite and above 0, not {ratio!r}")
    now, then = (_of_drugs(path, _reports(path), [drug]) for path in (reports, baseline))
    twice = then.join(now, on="case_id", how="semi")
    if not twice.is_empty():
        raise ParameterError(
            f"{baseline}: the report {twice['case_id'][0]!r} stands in both files",
            hint="a baseline holds reports before those under test",
        )
    chance, model = ratio / (1 + ratio), f"Bernoulli, {ratio:g} times the exposure of the baseline"
    return _compared(hierarchy, now, then, chance=chance, model=model, drug=drug, replications=replications, seed=seed)


def scan_against_expected(
    reports: Path, hierarchy: Hierarchy, drug: str, *, expected: Path, replications: int, seed: int
) -> DrugTreeScan:
    """Which branches the reports of a drug name more often than was expected beforehand.

    As expectations of reactions add up to that of a branch, a report counts here with each of its reactions.

    Parameters
    ----------
    expected
        CSV or Parquet ``reaction,expected``: how many reports of the drug with the reaction an outside rate and the
        exposure let expect, at least 0.

    Raises
    ------
    ParameterError
        As `scan_against_comparators`; an expectation that is no number of at least 0, a reaction that stands twice, or
        one of the drug's that has none: unknown is not 0, and would make a false excess above it.
    UnknownTermError
        As `scan_against_comparators`; a reaction of either file that the hierarchy does not have.
    """
    own = _of_drugs(reports, _reports(reports), [drug])
    rows = read_rows(expected, ["reaction", "expected"])
    rows.refuse(rows.frame["reaction"].fill_null("").str.strip_chars() == "", "reaction has no value")
    rows.refuse(~rows.frame["reaction"].is_first_distinct(), "the reaction {reaction} stands there a second time")
    value = rows.frame["expected"].str.strip_chars().cast(pl.Float64, strict=False)
    rows.refuse(~(value.is_finite() & (value >= 0)).fill_null(False), "expected must be at least 0, not {expected}")
    named = own.unique(["case_id", "reaction"])["reaction"].value_counts().sort("reaction")
    without = named.filter(~pl.col("reaction").is_in(rows.frame["reaction"].to_list()))
    if not without.is_empty():
        raise ParameterError(
            f"{expected}: no row for {len(without)} reactions of {drug!r}, such as {without['reaction'][0]!r}",
            hint="give every reported reaction a row, with 0 where nothing was expected",
        )
    counts = PoissonCounts(
        hierarchy.column(dict(named.rows())),
        hierarchy.column(dict(zip(rows.frame["reaction"].to_list(), value.to_list(), strict=True))),
    )
    found = tree_scan(
        NodeSets.of_names(hierarchy), counts, random=np.random.default_rng(seed), replications=replications
    )
    return DrugTreeScan(
        model="Poisson, expected beforehand",
        drug=drug,
        reports=own["case_id"].n_unique(),
        other_reports=None,
        cuts=found.cuts,
        replications=replications,
        seed=seed,
    )
