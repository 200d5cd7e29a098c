"""The columns a rule may speak of, with their plain words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["RULE_COLUMNS"]

_COUNTS = {
    "n": "number of reports with both drug and reaction",
    "n_drug": "number of reports with the drug",
    "n_reaction": "number of reports with the reaction",
    "n_total": "number of all reports",
    "expected": "number of reports expected without association",
}
_WITH_LIMITS = {
    "prr": "proportional reporting ratio (PRR)",
    "ror": "reporting odds ratio (ROR)",
    "ror_exact": "reporting odds ratio by conditional maximum likelihood (exact ROR)",
    "ic": "information component (IC, gamma limits)",
    "ic_closed": "information component (IC, closed-form limits)",
    "ic_bcpnn": "information component (IC, normal BCPNN)",
    "rate": "reporting rate per exposure",
    "rate_ratio": "ratio of the reporting rate to that of other drugs",
}
_PLAIN = {
    "chi2": "chi-square with Yates' correction",
    "ebgm": "empirical Bayes geometric mean (EBGM)",
    "eb05": "5 % quantile of the shrunken ratio (EB05)",
    "eb95": "95 % quantile of the shrunken ratio (EB95)",
    "llr": "log likelihood ratio",
    "llr_p": "Monte Carlo p-value of the log likelihood ratio",
    "q_value": "q-value (share of false discoveries)",
    "fisher_p": "p-value of Fisher's exact test",
    "fisher_mid_p": "mid-p-value of Fisher's exact test",
}

RULE_COLUMNS: Mapping[str, str] = MappingProxyType(
    _COUNTS
    | {
        name + ending: before + words
        for name, words in _WITH_LIMITS.items()
        for ending, before in (("", ""), ("_lower", "lower limit of the "), ("_upper", "upper limit of the "))
    }
    | _PLAIN
)
"""Words of every score column that a threshold makes sense for, by its name in the files of `kelsey score`."""
