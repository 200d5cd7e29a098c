"""`python -m benchmarks`: run every `bench_*.py`, print one table; with `--record` write `benchmarks/RESULTS.md`.

A name chooses: `python -m benchmarks gaussian streams`. Exit code 1 if a benchmark failed to run; a number that was
not reached is a result, not a failure.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.table import Row, render

__all__ = ["discover", "machine", "main"]

_FOLDER = Path(__file__).parent
_RESULTS = _FOLDER / "RESULTS.md"
_RECORD = """# Measured

Written by `make bench ARGS="--record"`; each row compares with a peer in the same run. A ratio says how many times
better ours is, whichever way the unit points.

- date: {date}
- machine: {machine}

{table}
"""


def discover(names: Sequence[str] = ()) -> dict[str, Callable[[], list[Row]]]:
    """Give the `run` of each benchmark by topic, sorted; `names` chooses. Raises `KeyError` for an unknown name."""
    topics = sorted(path.stem.removeprefix("bench_") for path in _FOLDER.glob("bench_*.py"))
    unknown = sorted(set(names) - set(topics))
    if unknown:
        raise KeyError(f"no benchmark named {', '.join(unknown)}; there are {', '.join(topics)}")
    return {topic: _runner(topic) for topic in topics if not names or topic in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, perhaps record; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help="topic to run (default: all)")
    parser.add_argument("--record", action="store_true", help="write benchmarks/RESULTS.md too (all topics only)")
    options = parser.parse_args(arguments)
    if options.record and options.name:
        parser.error("--record needs all topics: the file is one run")
    try:
        runs = discover(options.name)
    except KeyError as error:
        parser.error(str(error.args[0]))
    rows: list[Row] = []
    failed: list[str] = []
    for topic, run in runs.items():
        begin = time.perf_counter()
        try:
            rows += run()
        except Exception:  # noqa: BLE001  one benchmark that breaks must not hide the others' numbers
            traceback.print_exc()
            failed.append(topic)
        sys.stderr.write(f"{topic}: {time.perf_counter() - begin:.0f} s\n")
    print(machine(), render(rows), sep="\n\n")
    if failed:
        print(f"\nFAILED to run: {', '.join(failed)}")
    elif options.record:
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        _RESULTS.write_text(_RECORD.format(date=date, machine=machine(), table=render(rows)), encoding="utf-8")
    return 1 if failed else 0


def _runner(topic: str) -> Callable[[], list[Row]]:
    """Import only when run: a peer that is not installed fails its own benchmark alone."""

    def run() -> list[Row]:
        rows: list[Row] = importlib.import_module(f"benchmarks.bench_{topic}").run()
        return rows

    return run


def machine() -> str:
    """Processor, cores, memory and Python of this machine, for records."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _memory() -> str:
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{gibibytes:.0f} GiB"


if __name__ == "__main__":
    raise SystemExit(main())
