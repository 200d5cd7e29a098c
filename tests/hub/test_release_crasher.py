"""Gates, ledgers and aggregators that die at any step and any statement: never overspent, never drawn twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def crash(crashes: int, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.hub.release_crasher", "--crashes", str(crashes), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=550)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_five_thousand_crashes_overspend_nothing_draw_nothing_twice_and_end_in_the_exact_sums() -> None:
    found = crash(5_000)
    assert found["crashes"] >= 5_000
    assert (found["overspent"], found["second_draws"], found["wrong_sums"]) == (0, 0, 0)
    assert found["eras"] > 20  # and yet they get on
    steps = {f"gate {step}" for step in ("closed", "reserved", "drawn", "sealed", "opened", "delivered", "sent")}
    steps |= {f"aggregator {step}" for step in ("held", "agreed", "reserved", "sealed", "delivered")}
    for file in ("ledger", "gate store", "aggregator ledger"):
        steps |= {f"{file} {when} {verb}" for when in ("before", "after") for verb in ("BEGIN", "INSERT", "COMMIT")}
    steps |= {f"aggregator store before {verb}" for verb in ("INSERT", "DELETE", "COMMIT")}
    assert steps - set(found["points"]) == set()


def test_the_examination_finds_what_was_planted() -> None:
    assert crash(60, "--plant", "send-before-seal")["second_draws"] > 0
    assert crash(20, "--plant", "pay-every-epoch")["overspent"] > 0
