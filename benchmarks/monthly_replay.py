"""VAERS month by month: our table kept current against vigipy run anew on each month's whole table."""

from __future__ import annotations

import time
from importlib.metadata import version
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vigipy import bcpnn, gps, prr, ror

from benchmarks.shared_data import data_folder
from benchmarks.table import Row
from benchmarks.vigipy_tables import vigipy_container
from cases import ParameterError
from connectors.vaers_archive import years_in
from connectors.vaers_reader import drug_names, reaction_terms
from detectors import CountTable, GammaMixtureFit, PairArrays, fit_gamma_mixture, score_all

__all__ = ["monthly_replay"]

_YEARS = (*range(1990, 1998), *range(2001, 2004))
_PEER_EVERY = 24  # months: each of the peer's runs takes seconds
_GROWTH = 1.05  # of the reports, until the prior is fitted again
_CHECK_EVERY = 30  # months
_MEASURES = ("prr", "ror", "chi2", "ic", "ebgm")

Report = tuple[tuple[int, int], list[str], list[str]]


def _reports() -> list[Report]:
    """Month, products and terms of each report, by month."""
    folder = data_folder("vaers")
    found: list[Report] = []
    for number in _YEARS:
        for year in years_in(folder / f"{number}VAERSData.zip"):
            for each in year.reports():
                drugs, terms = list(drug_names(each.report.vax)), list(reaction_terms(each.report.symptoms))
                if drugs and terms and not each.fault:
                    found.append(((each.day.year, each.day.month), drugs, terms))
    return sorted(found, key=lambda report: report[0])


def monthly_replay() -> Row:
    """Seconds for all measures of all pairs at every month's end. Raises `FileNotFoundError` without the data.

    The prior of EBGM is fitted again, from the last one, when the reports have grown by a twentieth; the months between
    are scored by the last prior, as a site would. Scores and the fit are compared with those of a table made anew
    every 30th month, outside the time. The peer runs on every 24th month; the time of those between is interpolated.
    """
    table, fit, fitted_at, fits = CountTable(), None, 0, 0
    ours, peer = 0.0, []
    months = [(month, list(group)) for month, group in groupby(_reports(), key=lambda report: report[0])]
    for position, (_, group) in enumerate(months):
        begin = time.perf_counter()
        for _, drugs, terms in group:
            table.update(drugs, terms)
        arrays = table.arrays()
        if fit is None or table.report_count > _GROWTH * fitted_at:
            fit, fitted_at, fits = _fitted(fit, arrays), table.report_count, fits + 1
        prior = None if fit is None else fit.prior
        scores = score_all(arrays, names=_MEASURES if prior else _MEASURES[:-1], prior=prior)
        ours += time.perf_counter() - begin
        if fit is not None and position % _CHECK_EVERY == _CHECK_EVERY - 1:
            _check(scores, fit, [report for _, group in months[: position + 1] for report in group])
        if position % _PEER_EVERY == _PEER_EVERY - 1 or position == len(months) - 1:
            begin = time.perf_counter()
            container = vigipy_container(arrays)
            for measure in (prr, ror, bcpnn, gps):
                measure(container, min_events=1)
            peer.append((position, time.perf_counter() - begin))
    places, seconds = zip(*peer, strict=True)
    theirs = float(np.interp(np.arange(len(months)), places, seconds).sum())
    return Row(
        what=f"VAERS 1990-2003, {len(months)} months, {table.pair_count:,} pairs at the end: PRR, ROR, chi-square, IC, "
        f"EBGM of all pairs each month; {fits} fits of the prior, one for each twentieth more reports, other months by "
        "the last prior",
        ours=ours,
        peer=f"vigipy {version('vigipy')} on each prefix, measured every {_PEER_EVERY} months",
        peer_value=theirs,
        unit="s",
        ratio=theirs / ours,
        reach="50x faster than the peer",
        met=theirs > 50 * ours,
    )


def _check(scores: dict[str, NDArray[Any]], fit: GammaMixtureFit, reports: list[Report]) -> None:
    """Raise `AssertionError` where the scores are not those of the same reports counted and scored all at once.

    A fit from the last one must be as likely as one from every start, less 1e-3.
    """
    rows = [
        (number, drug, term) for number, (_, drugs, terms) in enumerate(reports) for drug in drugs for term in terms
    ]
    number, drug, term = zip(*rows, strict=True)
    arrays = CountTable.from_reports(number, drug, term).arrays()
    anew = score_all(arrays, names=_MEASURES, prior=fit.prior)
    for name, values in scores.items():
        np.testing.assert_allclose(values, anew[name], rtol=1e-6 if name.startswith("eb") else 1e-9, err_msg=name)
    best = fit_gamma_mixture(arrays.n, arrays.expected).negative_log_likelihood
    again = fit.refit(arrays.n, arrays.expected).negative_log_likelihood
    if not again <= best + 1e-3:
        raise AssertionError(f"a fit from the last one has a -log likelihood of {again:.4f}, one anew {best:.4f}")


def _fitted(last: GammaMixtureFit | None, arrays: PairArrays) -> GammaMixtureFit | None:
    """The prior of these counts from the last one; the last where they have none of their own."""
    try:
        return last.refit(arrays.n, arrays.expected) if last else fit_gamma_mixture(arrays.n, arrays.expected)
    except ParameterError:
        return last
