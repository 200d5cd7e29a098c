"""What a view of the counts finds, held against what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from detectors.rules import Rule
from hub.noisy_totals import NoisyTotals
from hub.rules import DISCOVERY_RULE, SCORE_RULE
from hub.statistics import noisy_scores
from kelsey.simulation.ranking import area_under_curve, average_precision, threshold_at_fdr

__all__ = ["BANDS", "FDR", "Outcome", "Truth"]

FDR = 0.05
"""Share of false pairs among the first of an order that is allowed; that of rule ``noise-aware-fdr``."""
BANDS = ((1.0, 10.0), (10.0, 30.0), (30.0, 100.0), (100.0, np.inf))
"""True counts by which recall is told apart."""
_SHRUNKEN_RULE = "noise-aware-fda"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of every cell; arrays of shape (cells,).

    Parameters
    ----------
    is_signal
        Truly associated.
    is_clean
        Neither drug nor reaction takes part in any true association: the true ratios are 1.
    count
        Patients who reported the pair.
    """

    is_signal: NDArray[np.bool_]
    is_clean: NDArray[np.bool_]
    count: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Figures of one view; NaN where there is nothing to take a share of.

    Parameters
    ----------
    recall, fdr, flagged
        Pairs that rule ``noise-aware-fdr`` raises: share of the true associations among them, share of them that is
        false, how many.
    band_recall
        `recall` by patients who reported the pair (`BANDS`).
    rank_recall, auc, auprc
        Of the order by ``z_tail``: true associations among as many of the highest as keep the false ones to 5 %, area
        under the receiver's curve, average precision. The cut of the first is chosen with knowledge of the truth.
    eb05_rank_recall
        As `rank_recall`, by EB05.
    rule_recall, rule_fdr, rule_flagged
        As the first three, of rule ``noise-aware-z``.
    eb05_recall, eb05_fdr, eb05_flagged
        Of EB05 of at least 2 (rule ``fda``).
    ror_coverage, rrr_coverage
        Share of 95 % intervals that hold the true ratio, 1, of pairs without any true association of drug or reaction,
        at least one expected.
    log_ratio_sd
        Median over the true associations of the noise's standard deviation in the logarithm of observed over expected,
        where pair and margins are above 0.
    """

    recall: float
    fdr: float
    flagged: float
    band_recall: tuple[float, ...]
    rank_recall: float
    auc: float
    auprc: float
    eb05_rank_recall: float
    rule_recall: float
    rule_fdr: float
    rule_flagged: float
    eb05_recall: float
    eb05_fdr: float
    eb05_flagged: float
    ror_coverage: float
    rrr_coverage: float
    log_ratio_sd: float

    @classmethod
    def of(cls, totals: NoisyTotals, truth: Truth, rules: Mapping[str, Rule]) -> Self:
        """The figures; `rules` are those of the hub by name (`hub.rules.load_noise_aware_rules`)."""
        scores = noisy_scores(totals)
        z, signal = scores["z_tail"], truth.is_signal
        called, by_z, by_eb05 = (rules[name].flags(scores) for name in (DISCOVERY_RULE, SCORE_RULE, _SHRUNKEN_RULE))
        judged = truth.is_clean & (scores["expected"] >= 1)
        return cls(
            recall=_share(called, signal),
            fdr=_share(~signal, called),
            flagged=float(called.sum()),
            band_recall=tuple(
                _share(called, signal & (truth.count >= low) & (truth.count < high)) for low, high in BANDS
            ),
            rank_recall=_share(z >= threshold_at_fdr(z, signal, FDR), signal),
            auc=area_under_curve(z, signal),
            auprc=average_precision(z, signal),
            eb05_rank_recall=_share(scores["eb05"] >= threshold_at_fdr(scores["eb05"], signal, FDR), signal),
            rule_recall=_share(by_z, signal),
            rule_fdr=_share(~signal, by_z),
            rule_flagged=float(by_z.sum()),
            eb05_recall=_share(by_eb05, signal),
            eb05_fdr=_share(~signal, by_eb05),
            eb05_flagged=float(by_eb05.sum()),
            ror_coverage=_share((scores["ror_lower"] <= 1) & (scores["ror_upper"] >= 1), judged),
            rrr_coverage=_share((scores["rrr_lower"] <= 1) & (scores["rrr_upper"] >= 1), judged),
            log_ratio_sd=_log_ratio_sd(totals, np.flatnonzero(signal)),
        )

    @classmethod
    def mean(cls, outcomes: Sequence[Outcome]) -> Self:
        """The average over draws; what is NaN in one draw is averaged over the others."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            each = np.array([getattr(outcome, field.name) for outcome in outcomes], dtype=np.float64)
            known = np.sum(np.isfinite(each), axis=0)
            average = np.where(known, np.nansum(each, axis=0) / np.maximum(known, 1), np.nan)
            values[field.name] = tuple(average.tolist()) if average.ndim else float(average)
        return cls(**values)


def _share(held: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    count = int(among.sum())
    return float((held & among).sum() / count) if count else float("nan")


def _log_ratio_sd(totals: NoisyTotals, cells: NDArray[np.int64]) -> float:
    drug, reaction = np.divmod(cells, totals.reaction.size)
    parts = ((totals.pair.ravel()[cells], totals.pair_sd), (totals.drug[drug], totals.drug_sd),
             (totals.reaction[reaction], totals.reaction_sd))  # fmt: skip
    known = np.logical_and.reduce([value > 0 for value, _ in parts])
    variance = sum((sd / value[known]) ** 2 for value, sd in parts)
    return float(np.median(np.sqrt(variance))) if known.any() else float("nan")
