"""VAERS 1990 to 1997 replayed end to end in one process, against the limits set for it: rate and memory.

Through three sites, month by month, with statistics, wallets, noise, releases and hub; the time is that of the whole
command, the interpreter's start included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time

from benchmarks.shared_data import data_folder
from benchmarks.table import Row

__all__ = ["run"]

YEARS = range(1990, 1998)
_CHILD = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from kelsey.cli import cli
result = CliRunner().invoke(cli, ["backtest", "vaers", *sys.argv[2:], "--out", sys.argv[1], "--json"])
assert result.exit_code == 0, result.output
# not ru_maxrss: it keeps what the benchmark itself held when it forked
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0]) * 1024
print(json.dumps({"reports": json.loads(result.stdout)["ingest"]["read"], "peak_bytes": peak}))
"""


def run() -> list[Row]:
    """Reports a second, and peak resident memory. Raises `FileNotFoundError` where the VAERS years are not there."""
    folder = data_folder("vaers")
    files = [str(folder / f"{year}VAERSData.zip") for year in YEARS]
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        child = subprocess.run([sys.executable, "-c", _CHILD, out, *files], check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
    measured = json.loads(child.stdout)
    rate = measured["reports"] / seconds
    gib = measured["peak_bytes"] / 2**30
    return [
        Row(
            f"VAERS 1990-1997 replay, {measured['reports']:,} reports, one process",
            rate,
            "limit",
            2000.0,
            "reports/s",
            rate / 2000.0,
            "at least 2,000 reports/s",
            rate >= 2000.0,
        ),
        Row("the same, peak memory", gib, "limit", 1.0, "GiB", 1.0 / gib, "under 1 GiB", gib < 1.0),
    ]
