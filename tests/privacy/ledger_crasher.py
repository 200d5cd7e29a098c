"""Kills a small gate again and again, at every step of the ledger and at random moments, and looks at what is left.

Run as a program of its own (``python -m tests.privacy.ledger_crasher DIRECTORY CRASHES [send-before-seal]``): it forks,
which a test process with threads must not. Prints one line of JSON. `send-before-seal` plants the bug the order of
calls guards against, to see that the examination finds it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from privacy.ledger import BudgetLedger
from privacy.ledger_entry import ReleaseState

COST, CAP, EPOCHS, ERAS = 400, 1000, 4, 5
REPORT = 9  # descriptor on which a dying gate says where it was


def send(outbox: Path, era: str, epoch: int, payload: bytes) -> None:
    """What the hub gets: one appended line."""
    line = f"{era} {epoch} {hashlib.sha256(payload).hexdigest()}\n"
    handle = os.open(outbox, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)


def step(name: str, budget: list[int]) -> None:
    """A boundary between two steps, not two of reading; the last one in the budget is fatal."""
    if name == "SELECT":
        return
    budget[0] -= 1
    if budget[0] == 0:
        os.write(REPORT, f"{name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


def gate(directory: Path, era: str, budget: list[int], *, is_broken: bool) -> None:
    """Release all epochs of an era as the real gate does; dies when `budget` steps are used up (0: never)."""
    ledger = BudgetLedger(directory / "ledger.sqlite")
    ledger._file._connection.set_trace_callback(lambda sql: step(sql.split()[0], budget))
    for epoch in range(EPOCHS):
        cost = 0 if ledger.spent(era) else COST
        entry = ledger.reserve(era, epoch, cost, CAP, "spec", f"data {epoch}")
        step("reserved", budget)
        if entry.state is ReleaseState.RESERVED:
            payload = os.urandom(16)  # the noise
            if is_broken:
                send(directory / "outbox", era, epoch, payload)
                step("sent", budget)
            ledger.seal(era, epoch, payload)
            step("sealed", budget)
        for sealed in ledger.pending(era):
            send(directory / "outbox", sealed.era, sealed.epoch, sealed.payload)
            step("sent", budget)
            ledger.mark_sent(sealed.era, sealed.epoch)
            step("marked", budget)
    ledger.close()


def examine(directory: Path) -> tuple[bool, int, int]:
    """Whether any era is overspent, the largest number of different payloads of an epoch, and epochs sent."""
    with BudgetLedger(directory / "ledger.sqlite") as ledger:
        ledger.verify()
        eras = {entry.era for entry in ledger.entries()}
        is_overspent = any(ledger.spent(era) > CAP or ledger.spent(era) > COST for era in eras)
        payloads: dict[tuple[str, str], set[str]] = {}
        outbox = directory / "outbox"
        for line in outbox.read_text().splitlines() if outbox.exists() else []:
            era, epoch, digest = line.split()
            payloads.setdefault((era, epoch), set()).add(digest)
        for (era, epoch), digests in payloads.items():
            digests.add(hashlib.sha256(ledger.payload(era, int(epoch)) or b"").hexdigest())
        for entry in ledger.entries():
            if entry.state is ReleaseState.SENT and (entry.era, str(entry.epoch)) not in payloads:
                raise AssertionError("an epoch is marked sent that was not")
    return is_overspent, max(map(len, payloads.values()), default=0), len(payloads)


def main(directory: Path, crashes: int, *, is_broken: bool) -> dict[str, object]:
    """Crash until `crashes` processes were killed; gives what was found."""
    rng = random.Random(5)
    points, epochs, killed, era, most, overspent = Counter[str](), dict[str, int](), 0, 0, 0, False
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.dup2(writer, REPORT)
    while killed < crashes:
        site = directory / f"site-{era // ERAS}"
        site.mkdir(exist_ok=True)
        is_timed = rng.random() < 0.4  # from outside, in the middle of anything, also of a write to disk
        budget = [0 if is_timed else rng.randint(1, 48)]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                gate(site, f"era-{era}", budget, is_broken=is_broken)
                code = 0
            finally:
                os._exit(code)
        if is_timed:
            time.sleep(rng.random() * 0.05)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            try:
                points[os.read(reader, 1000).decode().split()[-1]] += 1
            except BlockingIOError:
                points["any moment"] += 1
        elif os.waitstatus_to_exitcode(status):
            raise AssertionError("a gate failed on what a killed one had left")
        else:
            era += 1
        is_overspent, payloads, sent = examine(site)
        overspent, most, epochs[site.name] = overspent or is_overspent, max(most, payloads), sent
    return {
        "killed": killed,
        "points": points,
        "overspent": overspent,
        "payloads": most,
        "epochs": sum(epochs.values()),
    }


if __name__ == "__main__":
    result = main(Path(sys.argv[1]), int(sys.argv[2]), is_broken=sys.argv[3:] == ["send-before-seal"])
    sys.stdout.write(json.dumps(result) + "\n")
