"""Tree-based scan of one drug from files of reports: what `kelsey treescan` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError, UnknownTermError
from detectors.hierarchy import Hierarchy
from detectors.tree_scan import BernoulliCounts, Cut, NodeSets, PoissonCounts, tree_scan
from kelsey.context import plain
from kelsey.score_input import read_rows, unknown_name

__all__ = ["DrugTreeScan", "scan_against_baseline", "scan_against_comparators"]

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
        Distinct reports of the drug; those of the comparators, or of the drug in the baseline.
    cuts
        As in `detectors.tree_scan.TreeScan`.
    replications, seed
        Draws, and where they started.
    """

    model: str
    drug: str
    reports: int
    other_reports: int
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


def _tally(sets: NodeSets, cases: pl.DataFrame) -> NDArray[np.int64]:
    """Reports of each set."""
    return np.bincount(cases["set"].to_numpy(), minlength=sets.incidence.shape[0]).astype(np.int64)


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
    both = pl.concat([own, others])
    sets, cases = NodeSets.of_reports(hierarchy, both["case_id"], both["reaction"])
    mine = cases.join(own, on="case_id", how="semi")
    counts = BernoulliCounts(_tally(sets, mine), _tally(sets, cases), chance=chance)
    found = tree_scan(sets, counts, random=np.random.default_rng(seed), replications=replications)
    return DrugTreeScan(
        model="Bernoulli, " + ("given the reports of the drug" if chance is None else f"chance {chance:g}"),
        drug=drug,
        reports=len(mine),
        other_reports=len(cases) - len(mine),
        cuts=found.cuts,
        replications=replications,
        seed=seed,
    )


def scan_against_baseline(
    reports: Path, hierarchy: Hierarchy, drug: str, *, baseline: Path, ratio: float, replications: int, seed: int
) -> DrugTreeScan:
    """Which branches the reports of a drug name more often than an earlier period of the same drug lets expect.

    Parameters
    ----------
    baseline
        Reports of the earlier period, in the form of `reports`.
    ratio
        Exposure now for each unit of exposure then, above 0: doses, patients, or time where use is steady. A branch is
        expected to have so many times the reports that it had.

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
            hint="what is expected must come from reports before those under test",
        )
    both = pl.concat([now, then])
    sets, cases = NodeSets.of_reports(hierarchy, both["case_id"], both["reaction"])
    new, old = (cases.join(each, on="case_id", how="semi") for each in (now, then))
    counts = PoissonCounts(_tally(sets, new), ratio * _tally(sets, old))
    found = tree_scan(sets, counts, random=np.random.default_rng(seed), replications=replications)
    return DrugTreeScan(
        model=f"Poisson, {ratio:g} times the baseline",
        drug=drug,
        reports=len(new),
        other_reports=len(old),
        cuts=found.cuts,
        replications=replications,
        seed=seed,
    )
