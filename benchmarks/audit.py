"""`python -m benchmarks.audit`: standard protocols audited, all crashed; `--record` writes `benchmarks/AUDIT.md`.

A name chooses: ``audit`` (two million runs of each world), ``crashes`` (100,000 in one process, at every step and
statement of gates, ledgers and aggregators), ``kills`` (processes ended with kill -9). Each writes a section of its
own. Exit code 1 where the releases lose more than is claimed, or a crash left what none may leave.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import machine
from kelsey.console import progress
from kelsey.privacy_audit import audit_protocol, standard_protocol

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_RECORD = Path(__file__).parent / "AUDIT.md"
_TITLE = """# Audited

Written by `make audit ARGS="--record"`. What the numbers mean: [docs/privacy.md](../docs/privacy.md), "The audit".
"""
_CHUNK = 10_000  # crashes of one process


def _audit(options: argparse.Namespace) -> tuple[str, bool]:
    lines = [
        f"{options.runs:,} runs of each world, four epochs, C 1.5, M 16, 5 % of the budget for margins, delta 1e-6;",
        "secure sum: 4 honest sites of a cohort of 5. `eps` is that of one patient, from mu, `group eps` that of all",
        "`patients`, straight from the errors.",
        "",
        "| epsilon | trust mode | patients | tables | mu claimed | mu at least | ratio | eps claimed | eps at least "
        "| group eps claimed | group eps at least | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    is_sound = True
    cases: list[tuple[float, str, int | None]] = [
        (epsilon, "per-site", patients) for epsilon in (1.0, 3.0) for patients in (1, None)
    ]
    cases += [(epsilon, "secure-sum", None) for epsilon in (1.0, 3.0)]
    for seed, (epsilon, trust, patients) in enumerate(cases, start=1):
        protocol = standard_protocol(epsilon=epsilon, trust=trust)  # type: ignore[arg-type]  # one of the two, above
        with progress(f"epsilon {epsilon:g}, {trust}", 2 * options.runs) as advance:
            report = audit_protocol(
                protocol, trust=protocol.trust_mode, runs=options.runs, seed=seed, epochs=4, patients=patients,
                advance=advance,
            )  # fmt: skip
        is_sound &= report.verdict != "fail"
        for name, found in report.tables.items():
            lines.append(
                f"| {epsilon:g} | {trust} | {report.patients} | {name} | {found.mu_claimed:.4f} "
                f"| {found.mu_lower_bound:.4f} | {found.mu_lower_bound / found.mu_claimed:.3f} "
                f"| {found.epsilon_claimed:.3f} | {found.epsilon_lower_bound:.3f} "
                f"| {found.group_epsilon_claimed:.2f} | {found.group_epsilon_lower_bound:.2f} | {found.verdict} |"
            )
    return "\n".join(lines), is_sound


def _crashes(options: argparse.Namespace) -> tuple[str, bool]:
    total, points = Counter[str](), Counter[str]()
    seed = 101
    while total["crashes"] < options.crashes:
        wanted = min(_CHUNK, options.crashes - total["crashes"])
        found = _program("tests.hub.release_crasher", "--crashes", str(wanted), "--seed", str(seed))
        points.update(found.pop("points"))
        total.update({name: value for name, value in found.items() if name != "seconds"})
        seed += 1
    return crash_words(total, points), not (total["overspent"] + total["second_draws"] + total["wrong_sums"])


def crash_words(total: Counter[str], points: Counter[str]) -> str:
    """What a crash run found, in words and a table by kind of place."""
    kinds = Counter[str]()
    for name, count in points.items():
        kinds[_kind(name)] += count
    rows = [f"| {kind} | {kinds[kind]:,} |" for kind in sorted(kinds)]
    return "\n".join(
        [
            "In one process, as exceptions that nothing catches; files opened anew after each. Gates of three sites",
            "and two aggregators under a secure sum, and a gate under per-site.",
            "",
            f"**{total['crashes']:,} crashes** in {total['eras']:,} eras with {total['epochs']:,} releases and sums: "
            f"**{total['overspent']} overspent ledgers, {total['second_draws']} second draws, "
            f"{total['wrong_sums']} wrong sums.**",
            "",
            "| where | crashes |",
            "|---|---|",
            *rows,
        ]
    )


def _kind(point: str) -> str:
    """``gate drawn`` is a hook of the gate, ``ledger before COMMIT`` a statement on the ledger."""
    where = re.split(" before | after ", point)[0]
    return f"steps of the {where.split()[0]}" if where == point else f"statements on the {where}"


def _kills(options: argparse.Namespace) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory() as folder:
        found = _program("tests.privacy.ledger_crasher", folder, str(options.kills))
    is_sound = not found["overspent"] and found["payloads"] == 1
    return (
        f"Processes of a gate on its ledger, ended with kill -9 at a step, a statement or any moment: "
        f"**{found['killed']:,} kills**, {found['epochs']:,} epochs sent, "
        f"{'an overspent era' if found['overspent'] else 'no era overspent'}, "
        f"at most {found['payloads']} payload an epoch."
    ), is_sound


def _program(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=_ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


_SECTIONS: dict[str, tuple[str, Callable[[argparse.Namespace], tuple[str, bool]]]] = {
    "audit": ("Lower bounds of what is lost", _audit),
    "crashes": ("Crashes in one process", _crashes),
    "kills": ("Processes killed", _kills),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen sections, print, perhaps record; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("name", nargs="*", help="section to run (default: all)")
    parser.add_argument("--runs", type=int, default=2_000_000, help="of each world")
    parser.add_argument("--crashes", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=2_000)
    parser.add_argument("--record", action="store_true", help="write benchmarks/AUDIT.md too; sections not run stay")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.name) - set(_SECTIONS)):
        parser.error(f"no section named {', '.join(unknown)}; there are {', '.join(_SECTIONS)}")
    is_sound = True
    for name in options.name or _SECTIONS:
        title, run = _SECTIONS[name]
        text, is_well = run(options)
        is_sound &= is_well
        print(f"## {title}\n\n{text}\n")
        if options.record:
            date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
            record(title, f"{text}\n\nRun on {date}: {machine()}.", _RECORD)
    return 0 if is_sound else 1


def record(title: str, text: str, path: Path) -> None:
    """Put a section in its place in the record; the others stay as they are."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = {head: body.strip() for head, _, body in (each.partition("\n") for each in old.split("\n## ")[1:])}
    sections[title] = text
    ordered = [known for known, _ in _SECTIONS.values() if known in sections]
    body = "".join(f"\n## {head}\n\n{sections[head]}\n" for head in ordered)
    path.write_text(_TITLE + body, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
