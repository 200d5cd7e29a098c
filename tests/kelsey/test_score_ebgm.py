"""EBGM in `kelsey score`: the prior of the very table, what is said of it, and what is said where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from detectors import EmpiricalBayes, GammaMixture, fit_gamma_mixture, score_all
from kelsey.cli import cli
from kelsey.score_input import read_counts


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of counts of which one pair in ten is reported far more often than its margins suggest."""
    random = np.random.default_rng(5)
    drug, reaction = random.gamma(0.6, 1, 80), random.gamma(0.6, 1, 120)
    ratio = np.where(random.random((80, 120)) < 0.1, random.gamma(2, 4, (80, 120)), random.gamma(6, 1 / 6, (80, 120)))
    n = random.poisson(0.4 * np.outer(drug, reaction) * ratio)
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    rows = [f"d{i},r{j},{n[i, j]}" for i, j in zip(*np.nonzero(n), strict=True)]
    path.write_text("drug,reaction,count\n" + "\n".join(rows) + "\n")
    return path


def score(counts: Path, *options: str) -> tuple[dict[str, object], pl.DataFrame]:
    out = counts.with_name("out.parquet")
    result = CliRunner().invoke(cli, ["score", "--counts", str(counts), "--out", str(out), "--json", *options])
    assert result.exit_code == 0, result.output
    summary: dict[str, object] = json.loads(result.output)
    return summary, pl.read_parquet(out)


@pytest.mark.parametrize("options", [(), ("--measures", "ebgm"), ("--level", "0.5")])
def test_the_prior_is_that_of_the_table(counts: Path, options: tuple[str, ...]) -> None:
    summary, frame = score(counts, *options)
    arrays = read_counts(counts)
    fit = fit_gamma_mixture(arrays.n, arrays.expected)
    assert summary["prior"] == fit.prior.snapshot()
    assert summary["prior_status"] == "converged"
    assert summary["negative_log_likelihood"] == fit.negative_log_likelihood
    assert summary["gradient_norm"] == fit.gradient_norm <= 1e-3
    assert (summary["starts"], summary["starts_agreeing"]) == (fit.starts, fit.starts_agreeing)
    expected = EmpiricalBayes(prior=fit.prior, level=0.9).score_many(arrays)  # EB05 and EB95 whatever the level
    np.testing.assert_array_equal(frame.select("ebgm", "eb05", "eb95").to_numpy(), expected)
    assert [name for name in frame.columns if name.startswith("eb")] == ["ebgm", "eb05", "eb95"]


def test_no_prior_is_fitted_where_ebgm_is_not_asked_for(counts: Path) -> None:
    summary, frame = score(counts, "--measures", "prr,ic")
    assert (summary["prior"], summary["prior_status"]) == (None, "not asked for")
    assert "ebgm" not in frame.columns


def test_too_few_pairs_are_an_error_only_where_ebgm_is_asked_for(tmp_path: Path) -> None:
    path, out = tmp_path / "counts.csv", tmp_path / "out.csv"
    path.write_text("drug,reaction,count\na,x,5\na,y,2\nb,x,1\n")
    summary, frame = score(path)
    assert summary["negative_log_likelihood"] is None
    assert summary["prior_status"] == "a prior needs at least 10 pairs, not 3"
    assert frame["eb05"].is_null().all()
    result = CliRunner().invoke(cli, ["score", "--counts", str(path), "--out", str(out), "--measures", "ebgm"])
    assert (result.exit_code, out.exists()) == (1, False)
    assert "a prior needs at least 10 pairs, not 3" in result.output


def test_a_given_prior_scores_rows_without_a_fit(counts: Path) -> None:
    prior = GammaMixture(alpha1=2.0, beta1=4.0, alpha2=0.2, beta2=0.1, p=2 / 3)
    arrays = read_counts(counts)
    scores = score_all(arrays, names=["ebgm"], prior=prior)
    np.testing.assert_array_equal(scores["eb05"], EmpiricalBayes(prior=prior, level=0.9).score_many(arrays)[:, 1])
    fitted = score_all(arrays, names=["ebgm"])["ebgm"]
    again = score_all(arrays, names=["ebgm"], prior=fit_gamma_mixture(arrays.n, arrays.expected).prior)["ebgm"]
    np.testing.assert_array_equal(fitted, again)
