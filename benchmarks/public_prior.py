"""`python -m benchmarks.public_prior`: fit the prior that the hub uses anew, from one quarter of FAERS.

Every pair that is expected at least 0.1 times is fitted on, those never reported among them, as the hub looks at
every pair of its active set.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.shared_data import data_folder
from detectors import CountTable, GammaMixture, fit_gamma_mixture

__all__ = ["faers_prior", "main"]

_LEAST_EXPECTED = 0.1


def faers_prior() -> tuple[GammaMixture, int]:
    """The prior and on how many pairs it is fitted. Raises `FileNotFoundError` where the data are not there."""
    reports = pl.read_csv(data_folder("faers") / "faers_2022q3_case_drug_event.csv.gz")
    table = CountTable.from_reports(reports["caseid"].cast(pl.String), reports["drug"], reports["event"])
    known = table.arrays()
    n_drug, n_reaction = np.zeros(len(known.drug_names)), np.zeros(len(known.reaction_names))
    n_drug[known.drug_index], n_reaction[known.reaction_index] = known.n_drug, known.n_reaction
    expected = np.outer(n_drug, n_reaction) / known.n_total[0]
    n = np.zeros_like(expected)
    n[known.drug_index, known.reaction_index] = known.n
    chosen = expected >= _LEAST_EXPECTED
    fit = fit_gamma_mixture(n[chosen], expected[chosen], truncation=0)
    return fit.prior, fit.pairs


def main() -> None:
    """Print the five numbers as lines of the file."""
    prior, pairs = faers_prior()
    print(f"# fitted on {pairs:,} pairs")
    for name in ("alpha1", "beta1", "alpha2", "beta2", "p"):
        print(f"{name} = {getattr(prior, name):.6g}")


if __name__ == "__main__":
    main()
