"""VAERS counted and scored once more, by code that shares nothing with Kelsey: csv, dictionaries, scipy."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from scipy.stats import gamma

__all__ = ["Oracle", "count_vaers"]


def _rows(path: Path, ending: str) -> Iterator[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(ending)]
        with archive.open(name) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, encoding="latin-1", newline=""))


class Oracle:
    """Distinct reports by pair, drug, reaction and in all; `ids` are all reports that the files hold."""

    def __init__(self, ids: set[str], drugs: dict[str, set[str]], reactions: dict[str, set[str]]) -> None:
        self.ids = ids
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.n_drug: Counter[str] = Counter()
        self.n_reaction: Counter[str] = Counter()
        self.n_total = 0
        for case in ids:
            if not (drugs.get(case) and reactions.get(case)):
                continue
            self.n_total += 1
            self.n_drug.update(drugs[case])
            self.n_reaction.update(reactions[case])
            self.pairs.update((drug, reaction) for drug in drugs[case] for reaction in reactions[case])

    def scores(self, drug: str, reaction: str) -> dict[str, float]:
        """PRR, ROR, chi-square (Yates) and IC (gamma) with 95 % limits, from their textbook forms."""
        n, total = self.pairs[drug, reaction], self.n_total
        a, b, c = float(n), float(self.n_drug[drug] - n), float(self.n_reaction[reaction] - n)
        d = total - a - b - c
        expected = self.n_drug[drug] * self.n_reaction[reaction] / total
        numerator = total * max(0.0, abs(a * d - b * c) - total / 2) ** 2
        denominator = (a + b) * (c + d) * (a + c) * (b + d)
        chi2 = numerator / denominator if denominator else math.nan
        if min(a, b, c, d) == 0:
            a, b, c, d = a + 0.5, b + 0.5, c + 0.5, d + 0.5
        prr = (a / (a + b)) / (c / (c + d))
        spread = 1.959963984540054 * math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
        ror = a * d / (b * c)
        woolf = 1.959963984540054 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
        posterior = gamma(n + 0.5, scale=1 / (expected + 0.5))
        return {
            "n": n,
            "expected": expected,
            "chi2": chi2,
            "prr": prr,
            "prr_lower": prr * math.exp(-spread),
            "prr_upper": prr * math.exp(spread),
            "ror": ror,
            "ror_lower": ror * math.exp(-woolf),
            "ror_upper": ror * math.exp(woolf),
            "ic": math.log2((n + 0.5) / (expected + 0.5)),
            "ic_lower": math.log2(posterior.ppf(0.025)),
            "ic_upper": math.log2(posterior.ppf(0.975)),
        }


def count_vaers(paths: Sequence[Path]) -> Oracle:
    """Count the years in `paths`."""
    ids: set[str] = set()
    drugs: dict[str, set[str]] = {}
    reactions: dict[str, set[str]] = {}
    for path in paths:
        ids.update(row["VAERS_ID"] for row in _rows(path, "VAERSDATA.csv"))
        for row in _rows(path, "VAERSVAX.csv"):
            if name := row["VAX_NAME"].strip():
                drugs.setdefault(row["VAERS_ID"], set()).add(name)
        for row in _rows(path, "VAERSSYMPTOMS.csv"):
            for number in range(1, 6):
                if term := (row[f"SYMPTOM{number}"] or "").strip():
                    reactions.setdefault(row["VAERS_ID"], set()).add(term)
    return Oracle(ids, drugs, reactions)
