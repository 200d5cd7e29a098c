"""Crashes gates and aggregators at every step and every statement, ten thousands of times, and looks at what is left.

Run as a program (``python -m tests.hub.release_crasher --crashes N``); prints one line of JSON. Three sites under a
secure sum, two aggregators and a site under ``per-site`` play one small era after another on the real files. A crash is
an exception that nothing catches, raised at a hook of the gate or the aggregator or just before or after a statement
that writes to one of their files; the party's objects are dropped, open transactions with them, and it starts anew from
its files. (`tests.privacy.ledger_crasher` and `tests/streams/test_gate.py` end processes with kill -9, thousands of
times more slowly.) Each era ends with an examination.

``--plant send-before-seal`` and ``--plant pay-every-epoch`` put in the mistakes that the examination must find.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.hub.crash_examination import overspent, second_draws, wrong_sums
from tests.hub.crash_world import World

PLANTS = ("none", "send-before-seal", "pay-every-epoch")


def crash(folder: Path, crashes: int, *, plant: str = "none", seed: int = 5) -> dict[str, Any]:
    """Play eras until that many processes died; gives what was found."""
    chance, points = random.Random(seed), Counter[str]()
    found = Counter[str]()
    begin = time.monotonic()
    while found["crashes"] < crashes:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            world = World(Path(name), chance, points, plant)
            world.play()
            world.stop()
            found["overspent"] += overspent(world)
            found["second_draws"] += second_draws(world)
            found["wrong_sums"] += wrong_sums(world) if plant == "none" else 0
            found["crashes"] += world.crashes
            found["eras"] += 1
            found["epochs"] += len(world.sent) + len(world.at_hub)
    keys = ("crashes", "eras", "epochs", "overspent", "second_draws", "wrong_sums")
    return {key: found[key] for key in keys} | {
        "points": dict(sorted(points.items())), "seconds": round(time.monotonic() - begin, 1),
    }  # fmt: skip


def main() -> None:
    """Read the arguments, crash, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.hub.release_crasher", description=__doc__)
    parser.add_argument("--crashes", type=int, required=True, metavar="N")
    parser.add_argument("--plant", choices=PLANTS, default="none")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    logging.disable(logging.ERROR)  # refusals that a crash brings about are part of the play
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        found = crash(Path(folder), options.crashes, plant=options.plant, seed=options.seed)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
