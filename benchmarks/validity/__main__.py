"""`python -m benchmarks.validity`: run the studies, print them; with `--record` write `benchmarks/VALIDITY.md`.

A name chooses: `python -m benchmarks.validity max-sprt reference-sets`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.validity.false_discoveries import false_discoveries
from benchmarks.validity.federated_replays import secure_sum_replays
from benchmarks.validity.known_associations import known_associations
from benchmarks.validity.noisy_counts import coverage_through_noise, rules_through_noise
from benchmarks.validity.null_replays import disproportionality_under_null, max_sprt_under_null
from benchmarks.validity.reference_sets import reference_sets
from benchmarks.validity.sequential_replays import sequential_under_null
from benchmarks.validity.study import Table

__all__ = ["main"]

_STUDIES: dict[str, Callable[[], Table]] = {
    "null-measures": disproportionality_under_null,
    "max-sprt": max_sprt_under_null,
    "sequential": sequential_under_null,
    "noisy-intervals": coverage_through_noise,
    "noisy-rules": rules_through_noise,
    "false-discoveries": false_discoveries,
    "reference-sets": reference_sets,
    "known-associations": known_associations,
    "secure-sum-replays": secure_sum_replays,
}
_RESULTS = Path(__file__).parents[1] / "VALIDITY.md"
_HEAD = """# Validity

Written by `make validity ARGS="--record"`: whether the statistics are right about the world, as found, whatever the
result. Seeds are fixed; the same data give the same tables.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, perhaps record; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validity", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*_STUDIES, []], help="study to run (default: all)")
    parser.add_argument("--record", action="store_true", help="write benchmarks/VALIDITY.md too (all studies only)")
    options = parser.parse_args(arguments)
    if options.record and options.name:
        parser.error("--record needs all studies: the file is one run")
    parts = []
    for name in options.name or _STUDIES:
        begin = time.perf_counter()
        parts.append(_STUDIES[name]().render())
        sys.stderr.write(f"{name}: {time.perf_counter() - begin:.0f} s\n")
        print(parts[-1], end="\n\n", flush=True)
    if options.record:
        _RESULTS.write_text(_HEAD + "\n\n".join(parts) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
