"""The page of `kelsey report`: what was counted, the strongest pairs, five plots, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import ParameterError
from detectors.context import Timeline
from detectors.interval import check_level
from detectors.score import measures
from kelsey.page import Fact, Page, Plot, Table, Text
from kelsey.report.forest import forest
from kelsey.report.heat_map import heat_map
from kelsey.report.numbers import ReportNumbers, gather
from kelsey.report.settings import ReportSettings
from kelsey.report.shrinkage import shrinkage
from kelsey.report.timeline import timeline
from kelsey.report.volcano import volcano
from kelsey.report.words import decimal, interval, listed, ratio, short, times, whole
from kelsey.score_summary import ScoreSummary

__all__ = ["ReportSummary", "write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """What the page shows.

    Parameters
    ----------
    scored
        What was read and scored, as `kelsey score` sums it up.
    top
        The strongest pairs, strongest first.
    timeline
        Of the chosen pair or the strongest; missing where there are no days.
    no_days
        Why it is missing.
    """

    scored: ScoreSummary
    top: tuple[tuple[str, str], ...]
    timeline: Timeline | None
    no_days: str

    def as_dict(self) -> dict[str, Any]:
        """The summary under the names that `kelsey report --json` prints."""
        found = self.timeline
        return self.scored.as_dict() | {
            "top": [list(pair) for pair in self.top],
            "timeline": None
            if found is None
            else {
                "drug": found.drug,
                "reaction": found.reaction,
                "first_crossed": found.first_crossed,
                "is_above_at_end": found.is_above_at_end,
                "undated": found.undated,
            },
            "no_timeline": self.no_days or None,
        }


def write_report(path: Path, out: Path, settings: ReportSettings) -> ReportSummary:
    """Write the page on a file of reports (as for `kelsey.score.score_reports`); replaced if it exists.

    The same file and settings give the same bytes.

    Raises
    ------
    ParameterError
        Naming file, column and row, as `score_reports` does; a file of classes without any reaction of the table; a
        page that cannot be written.
    UnknownTermError
        A drug, reaction or value that no report has; the nearest are named.
    """
    check_level(settings.level)
    if out.exists() and out.samefile(path):
        raise ParameterError(f"{out}: is the file to read; the page would replace it", hint="give another name")
    numbers = gather(path, settings)
    over_time, found = timeline(numbers)
    sections: list[Plot | Table | Text] = [
        _ranked(numbers),
        forest(numbers),
        volcano(numbers),
        heat_map(numbers),
        over_time,
        shrinkage(numbers),
        _flags(numbers),
        _prior(numbers),
    ]
    page = Page(
        title=f"Disproportionality of {short(settings.drug)}" if settings.drug else "Disproportionality report",
        lead=_lead(path, numbers),
        facts=_facts(numbers),
        sections=sections,
        notes=_notes(numbers),
    )
    part = out.with_name(f".{out.name}.part")
    try:
        page.write(part)
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ParameterError(f"{out}: cannot be written: {error.strerror or error}") from error
    return ReportSummary(
        scored=_summary(numbers), top=tuple(numbers.top(settings.top)), timeline=found, no_days=numbers.no_days
    )


def _summary(numbers: ReportNumbers) -> ScoreSummary:
    arrays, settings = numbers.arrays, numbers.settings
    prior = numbers.fit.prior if numbers.fit else None
    return ScoreSummary(
        report_count=numbers.table.report_count,
        pair_count=len(arrays),
        drug_count=len(arrays.drug_names),
        reaction_count=len(arrays.reaction_names),
        strata=numbers.table.strata if settings.stratify else (),
        flagged={name: int(flag.sum()) for name, flag in numbers.flags.items()},
        variants={
            each.columns[0]: each.variant
            for each in measures(level=settings.level, names=numbers.names, prior=prior)
        },
        fit=numbers.fit,
        fit_status=numbers.fit_status,
    )  # fmt: skip


def _lead(path: Path, numbers: ReportNumbers) -> str:
    settings, chosen = numbers.settings, numbers.settings.selection
    said = [f"{name} is {' or '.join(map(short, values))}" for name, values in chosen.subset.items()]
    said += [f"from {chosen.since}"] if chosen.since else []
    said += [f"until {chosen.until}"] if chosen.until else []
    said += [f"grouped by {chosen.groups.name}"] if chosen.groups else []
    words = f"Which drugs and reactions are reported together more often than expected, in {short(path.name)}"
    words += f" ({', '.join(said)})." if said else "."
    if settings.drug:
        words += (
            f" Pairs of {short(settings.drug)} alone are ranked; expected counts and prior are those of all reports."
        )
    if settings.stratify:
        words += f" Expected counts are stratified by {listed(settings.stratify)}; ROR, PRR and chi-square are not."
    return f"{words} All numbers count distinct reports. What stands out is a question to look into, not an answer."


def _facts(numbers: ReportNumbers) -> list[Fact]:
    arrays, fit = numbers.arrays, numbers.fit
    facts = [
        Fact(whole(numbers.table.report_count), "reports"),
        Fact(whole(len(arrays)), "pairs with a report"),
        Fact(whole(len(arrays.drug_names)), "drugs"),
        Fact(whole(len(arrays.reaction_names)), "reactions"),
    ]
    if numbers.settings.drug:
        facts.append(Fact(whole(len(numbers.order)), "pairs of the drug"))
    if fit:
        facts.append(Fact(decimal(fit.negative_log_likelihood, 1), "−log likelihood of the prior"))
    return facts


def _ranked(numbers: ReportNumbers) -> Table:
    scores, settings = numbers.scores, numbers.settings
    names = [("ror", "ror_lower", "ror_upper"), ("ic", "ic_lower", "ic_upper")]
    names += [("ebgm", "eb05", "eb95")] if numbers.fit else []
    rows = []
    for rank, row in enumerate(numbers.order[: settings.top].tolist(), 1):
        ror, *rest = [tuple(float(scores[name][row]) for name in triple) for triple in names]
        ic = f"{decimal(rest[0][0])} ({decimal(rest[0][1])} to {decimal(rest[0][2])})"
        flags = [name for name, flag in numbers.flags.items() if flag[row]]
        rows.append(
            (
                whole(rank), *numbers.pair_of(row), whole(int(scores["n"][row])), ratio(float(scores["expected"][row])),
                *([interval(*rest[1])] if numbers.fit else []), ic, interval(*ror),
                _flagged_by(flags, len(numbers.flags)),
            )
        )  # fmt: skip
    ebgm = ["EBGM (EB05 to EB95)"] if numbers.fit else []
    numeric = ["rank", "reports", "expected", *ebgm, "IC (interval)", "ROR (interval)"]
    by = "EB05, the lower limit of the EBGM" if numbers.fit else "the lower limit of the IC, as no prior fits"
    return Table(
        "The strongest pairs" if len(rows) > 1 else "The strongest pair",
        ["rank", "drug", "reaction", *numeric[1:], "flagged by"],
        rows,
        f"Ranked by {by}: what the reports support at the least. A raw ratio ranks chance finds of one report first.",
        frozenset(numeric),
    )


def _flagged_by(flags: Sequence[str], count: int) -> str:
    return f"all {count} rules" if len(flags) == count > 2 else ", ".join(flags) or "none"


def _flags(numbers: ReportNumbers) -> Table:
    rows = []
    for name, rule in numbers.rules.items():
        flag = numbers.flags.get(name)
        share = "" if flag is None else f"{flag.mean() * 100:.1f} %"
        rows.append((name, rule.title, "no prior" if flag is None else whole(int(flag.sum())), share))
    return Table(
        "Pairs that each rule flags",
        ["rule", "what it asks for", "pairs", "share of all pairs"],
        rows,
        "Of all pairs of the table. No rule allows for how many pairs are looked at.",
        frozenset({"pairs", "share of all pairs"}),
    )


def _prior(numbers: ReportNumbers) -> Table | Text:
    fit = numbers.fit
    title = "The prior of the EBGM"
    if fit is None:
        why = f"No prior fits this table, so EBGM, EB05 and the rules on them are absent: {numbers.fit_status}."
        return Text(title, [why])
    prior = fit.prior
    rows = [
        ("component 1: weight, mean ratio", f"{prior.p:.4f}, {ratio(prior.alpha1 / prior.beta1)}"),
        ("component 2: weight, mean ratio", f"{1 - prior.p:.4f}, {ratio(prior.alpha2 / prior.beta2)}"),
        ("alpha 1, beta 1", f"{ratio(prior.alpha1)}, {ratio(prior.beta1)}"),
        ("alpha 2, beta 2", f"{ratio(prior.alpha2)}, {ratio(prior.beta2)}"),
        ("−log likelihood", decimal(fit.negative_log_likelihood, 3)),
        ("largest gradient", f"{fit.gradient_norm:.1e}"),
        ("a shape at its bound", "yes" if fit.is_shape_at_bound else "no"),
        ("starts that agree", f"{fit.starts_agreeing} of {fit.starts}"),
    ]
    caption = f"What {times(fit.pairs, 'pair')} say on ratios in general; each pair is drawn towards it."
    return Table(title, ["what", "value"], rows, caption, frozenset({"value"}))


def _notes(numbers: ReportNumbers) -> list[str]:
    lower = "EB05" if numbers.fit else "lower limit of the IC"
    return [
        "Disproportionality is not causation. A pair stands out because of the disease that the drug is given for, of "
        "drugs given together, of publicity or of how reports are written, too. Whoever reads the cases can tell.",
        "No number here is a risk: reports are neither all events nor a share of the patients treated.",
        "A pair that does not stand out is not safe: it may be under-reported, or hidden by another product "
        "(kelsey context masking).",
        f"Few reports say little. Read the interval, not the point; the {lower} is what they support at the least.",
        f"Of {times(len(numbers.order), 'pair')} the strongest are shown, so they are partly luck: no interval here "
        "allows for that choice. Chance alone puts 1 in 40 lower limits of 95 % above the true value.",
        "The counting unit is the distinct report; duplicates under different report numbers are not found here.",
    ]
