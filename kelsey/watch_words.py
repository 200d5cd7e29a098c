"""How watched periods are said: in words for a terminal, and as JSON values."""

from __future__ import annotations

from datetime import date
from typing import Any

from kelsey.console import table
from kelsey.context import plain
from kelsey.watch import Watched

__all__ = ["watched_facts", "watched_lines"]


def watched_facts(found: Watched) -> dict[str, Any]:
    """Everything as JSON values; what is not known is null."""
    periods: list[dict[str, Any]] = [
        {
            "day": each.day, "observed": each.observed, "expected": each.expected, "log_e_value": each.log_e_value,
            "p_value": each.p_value, "ratio": each.ratio.point, "ratio_lower": each.ratio.lower,
            "ratio_upper": each.ratio.upper,
        }
        for each in found.evidence
    ]  # fmt: skip
    for period, status in zip(periods, found.ratios, strict=False):
        period["llr"] = status.llr
    evidence = found.e_process.status
    facts: dict[str, Any] = {
        "alpha": found.e_process.alpha, "expectation": found.e_process.expectation.snapshot(), "periods": periods,
        "e_process": {"signalled_on": evidence.signalled_on, "p_value": evidence.p_value}, "max_sprt": None,
    }  # fmt: skip
    if found.max_sprt is not None:
        status, boundary = found.max_sprt.status, found.max_sprt.boundary
        facts["max_sprt"] = {
            "critical_value": boundary.critical_value, "alpha_spent": boundary.alpha_spent,
            "signalled_on": status.signalled_on, "length": found.max_sprt.length, "remaining": status.remaining,
        }  # fmt: skip
    said: dict[str, Any] = plain(facts)
    return said


def watched_lines(found: Watched) -> list[str]:
    """A table of the periods, and where each test stands at the end."""
    header = ["day", "observed", "expected", "p value", "ratio", "lower", "upper"]
    rows = [
        [
            str(each.day), each.observed, f"{each.expected:.2f}", f"{each.p_value:.4g}",
            f"{each.ratio.point:.2f}", f"{each.ratio.lower:.2f}", f"{each.ratio.upper:.2f}",
        ]
        for each in found.evidence
    ]  # fmt: skip
    if found.ratios:
        header.append("LLR")
        for row, status in zip(rows, found.ratios, strict=True):
            row.append(f"{status.llr:.3f}")
    known = found.e_process.expectation
    evidence = found.e_process.status
    lines = [
        table(rows, header=header),
        f"expected: {known.rate:g} a unit of exposure, {known.source}, until {known.last_day}",
        f"anytime-valid: {_signal(evidence.signalled_on)}; p = {evidence.p_value:.4g}, "
        f"may be looked at as often as one likes",
    ]
    if found.max_sprt is not None:
        status = found.max_sprt.status
        lines.append(
            f"MaxSPRT: {_signal(status.signalled_on)}; critical value {status.critical_value:.6g}, "
            f"{status.remaining:.4g} of {found.max_sprt.length:.4g} left"
        )
    return lines


def _signal(day: date | None) -> str:
    return "no signal" if day is None else f"signal on {day}"
