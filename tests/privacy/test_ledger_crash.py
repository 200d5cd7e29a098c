"""kill -9 at every step of reserve, seal and send: never overspent, never two payloads for one epoch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def crash(directory: Path, crashes: int, *bug: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.privacy.ledger_crasher", str(directory), str(crashes), *bug]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=550)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_five_hundred_crashes_never_overspend_and_never_draw_twice(tmp_path: Path) -> None:
    found = crash(tmp_path, 520)
    assert found["killed"] == 520
    assert not found["overspent"]
    assert found["payloads"] == 1
    assert found["epochs"] > 100  # and yet it gets on
    boundaries = {"BEGIN", "INSERT", "COMMIT", "reserved", "sealed", "sent", "marked"}
    assert boundaries <= set(found["points"])
    assert found["points"]["any moment"] > 20  # how many depends on how fast the machine is


def test_the_examination_finds_a_gate_that_sends_before_it_seals(tmp_path: Path) -> None:
    assert crash(tmp_path, 60, "send-before-seal")["payloads"] > 1
