"""What `kelsey score` says of a run: what was counted, what was flagged, which prior was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detectors.empirical_bayes import GammaMixtureFit
from kelsey.console import table

__all__ = ["ScoreSummary"]


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
    fit
        The prior of EBGM, fitted to this very table, and how well; missing where none was fitted.
    fit_status
        ``converged``; ``not asked for``; or why no prior fits, which leaves the ebgm columns empty.
    exposed_drug_count
        Drugs whose exposure is known; missing where none was asked for.
    """

    report_count: int
    pair_count: int
    drug_count: int
    reaction_count: int
    strata: tuple[tuple[str, ...], ...]
    flagged: Mapping[str, int]
    variants: Mapping[str, str]
    fit: GammaMixtureFit | None
    fit_status: str
    exposed_drug_count: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The summary under the names that `kelsey score --json` prints."""
        return {
            "reports": self.report_count,
            "pairs": self.pair_count,
            "drugs": self.drug_count,
            "reactions": self.reaction_count,
            "strata": [list(label) for label in self.strata],
            "rules": dict(self.flagged),
            "variants": dict(self.variants),
            "prior": None if self.fit is None else self.fit.prior.snapshot(),
            "prior_status": self.fit_status,
            "negative_log_likelihood": None if self.fit is None else self.fit.negative_log_likelihood,
            "gradient_norm": None if self.fit is None else self.fit.gradient_norm,
            "starts": None if self.fit is None else self.fit.starts,
            "starts_agreeing": None if self.fit is None else self.fit.starts_agreeing,
            "drugs_with_exposure": self.exposed_drug_count,
        }

    def text(self) -> str:
        """The summary for a person: what was counted, and how many pairs each rule flags."""
        rows: list[tuple[str, int]] = [
            ("reports", self.report_count), ("drugs", self.drug_count), ("reactions", self.reaction_count),
            *([("strata", len(self.strata))] if self.strata else []), ("pairs written", self.pair_count),
            *([] if self.exposed_drug_count is None else [("drugs with exposure", self.exposed_drug_count)]),
            *((f"flagged by {name}", count) for name, count in self.flagged.items()),
        ]  # fmt: skip
        return f"{table(rows)}\nprior of EBGM: {self.fit_status}"
