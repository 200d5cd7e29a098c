"""When the reactions to vaccines that were known in 1990 to 1997 are first found in VAERS, month by month."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.shared_data import data_folder
from benchmarks.validity.study import Table
from cases import ParameterError
from connectors.vaers_archive import ArchivedReport, years_in
from connectors.vaers_reader import drug_names, reaction_terms
from detectors import CountTable, GammaMixture, PairArrays, fit_gamma_mixture, load_presets, score_pairs
from detectors.empirical_bayes.fit import STARTS

__all__ = ["Association", "first_found", "known_associations", "load_associations"]

_YEARS = range(1990, 1998)
_RULES = ("evans", "ema", "umc", "fda")
_MEASURES = ("prr", "ror", "chi2", "ic", "ebgm")
_SHOWN = (("n", 0), ("expected", 1), ("prr", 2), ("ror_lower", 2), ("ic_lower", 2), ("eb05", 2))


class Association(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product and a reaction by patterns on their published names, and where it is documented."""

    name: str
    product: str
    reaction: str
    kind: str
    source: str


def load_associations() -> list[Association]:
    """Those of `known_associations.toml`."""
    text = (Path(__file__).parent / "known_associations.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["association"], list[Association])


def _terms(report: ArchivedReport, associations: Sequence[Association]) -> tuple[set[str], set[str]]:
    """Products and reactions of a report as published, and the groups of the associations that they belong to."""
    drugs, reactions = set(drug_names(report.report.vax)), set(reaction_terms(report.report.symptoms))
    return (
        drugs
        | {each.product for each in associations if any(re.fullmatch(each.product, name.lower()) for name in drugs)},
        reactions
        | {
            each.reaction
            for each in associations
            if any(re.fullmatch(each.reaction, name.lower()) for name in reactions)
        },
    )


def _months(reports: Sequence[ArchivedReport]) -> Iterator[tuple[date, list[ArchivedReport]]]:
    for month, group in groupby(reports, key=lambda report: report.day.replace(day=1)):
        yield month, list(group)


def _fitted(whole: PairArrays, last: GammaMixture | None) -> GammaMixture | None:
    """The prior of these pairs, or the last one where they have none of their own, as in the first months."""
    try:
        return fit_gamma_mixture(whole.n, whole.expected, starts=[last, *STARTS] if last else STARTS).prior
    except ParameterError:
        return last


def first_found(
    reports: Sequence[ArchivedReport], associations: Sequence[Association]
) -> tuple[dict[tuple[str, str], list[date]], dict[str, dict[str, float]]]:
    """Months in which each association meets each rule, and its scores at the end.

    Parameters
    ----------
    reports
        In order of receipt.

    Returns
    -------
    tuple
        Months by (association, rule), for looks at the end of every month at all reports so far, and the last scores
        by association. The shrinker's prior is fitted anew each month to the pairs of single products and terms; where
        those have none, the last prior is kept, and before the first the EBGM is NaN.
    """
    rules = load_presets()
    table, single = CountTable(), CountTable()
    seen: set[str] = set()
    found: dict[tuple[str, str], list[date]] = {(each.name, rule): [] for each in associations for rule in _RULES}
    last: dict[str, dict[str, float]] = {}
    prior: GammaMixture | None = None
    for month, group in _months(reports):
        for report in group:
            drugs, reactions = _terms(report, associations)
            if drugs and reactions:
                seen |= drugs | reactions
                table.update(sorted(drugs), sorted(reactions))
                single.update(
                    sorted(set(drug_names(report.report.vax))), sorted(set(reaction_terms(report.report.symptoms)))
                )
        prior = _fitted(single.arrays(), prior)
        present = [each for each in associations if {each.product, each.reaction} <= seen]
        pairs = [(each.product, each.reaction) for each in present]
        scores = score_pairs(table, pairs, names=_MEASURES if prior else _MEASURES[:-1], prior=prior)
        undefined = np.full(len(pairs), np.nan)
        scores = {"ebgm": undefined, "eb05": undefined, **scores}
        for rule in _RULES:
            for each, is_met in zip(present, rules[rule].flags(scores), strict=True):
                if is_met:
                    found[each.name, rule].append(month)
        last = {
            each.name: {name: float(column[row]) for name, column in scores.items()} for row, each in enumerate(present)
        }
    return found, last


def _when(months: Sequence[date], last_month: date) -> str:
    """First month of those, and whether it still holds at the end."""
    if not months:
        return "not found"
    return f"{months[0]:%Y-%m}" + ("" if months[-1] == last_month else f" (until {months[-1]:%Y-%m})")


def known_associations() -> Table:
    """First month in which each rule is met. Raises `FileNotFoundError` where the VAERS years are not there."""
    folder = data_folder("vaers")
    reports = [
        report
        for number in _YEARS
        for year in years_in(folder / f"{number}VAERSData.zip")
        for report in year.reports()
        if not report.fault
    ]
    reports.sort(key=lambda report: report.key)
    associations = load_associations()
    found, last = first_found(reports, associations)
    last_month = reports[-1].day.replace(day=1)
    rows = []
    for each in associations:
        score = last.get(each.name, {})
        numbers = tuple(f"{score[name]:,.{digits}f}" for name, digits in _SHOWN) if score else ("-",) * len(_SHOWN)
        dates = tuple(_when(found[each.name, rule], last_month) for rule in _RULES)
        rows.append((each.name, each.kind, *numbers, *dates, each.source))
    known = [each for each in associations if each.kind == "known"]
    counts = ", ".join(f"{rule} {sum(bool(found[each.name, rule]) for each in known)}" for rule in _RULES)
    return Table(
        title="Known reactions to vaccines, VAERS 1990 to 1997",
        about=f"{len(reports):,} reports in order of receipt; at each month's end all reports so far are looked at. "
        "The month in which a rule is first met, with the scores of the last month. Products are of all brands, "
        "reactions of the terms named in `benchmarks/validity/known_associations.toml`; crude counts, all vaccines as "
        "the background.",
        header=("association", "kind", *(name for name, _ in _SHOWN), *_RULES, "source"),
        rows=rows,
        notes=(
            f"Known associations found, of {len(known)}, by rule: {counts}.",
            "A month is that of the report's receipt; VAERS began in July 1990, so the first months are few reports.",
            "What is refuted is listed to be honest: disproportionate reporting follows publicity too, and says "
            "nothing about cause.",
        ),
    )
