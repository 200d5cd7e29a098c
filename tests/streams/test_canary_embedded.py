"""The canary through a whole site in one process: nothing that leaves, is logged or is shown holds a trace of it."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from cases import encode_case
from connectors import default_vocabulary
from privacy.release import open_release
from streams.log_setup import set_up_logging
from tests.streams.canary import CANARY, canary_records, traces
from tests.streams.make import SIGNING_KEY, embedded_site, protocol


@pytest.mark.parametrize("read_narratives", [False, True])
def test_no_trace_of_a_canary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], read_narratives: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    words = default_vocabulary()
    under = msgspec.structs.replace(protocol(), vocabulary=words.label)
    site = embedded_site(tmp_path, under=under, words=words, read_narratives=read_narratives)
    records = canary_records()
    site.take(records)
    line = site.release(0)
    assert line is not None
    open_release(line, public_key=SIGNING_KEY.public_key(), protocol=under)
    letters = list(site.dead_letters())
    reasons = {letter.reason for letter in letters}
    assert len(reasons) >= 8, reasons
    assert site.tally.cases == 1
    site.tally.check()
    assert traces("release", [line]) == []
    assert traces("case", map(encode_case, site.cases())) == []
    assert traces("dead letter beside its payload", [f"{letter.reason} {letter.detail}" for letter in letters]) == []
    shown = [repr(site.tally), repr(site.wallet_summary()), repr(site.budget()), repr(site.table.snapshot())]
    assert traces("shown", [*shown, repr(site.drift.snapshot()), repr(site.triage.snapshot())]) == []
    site.close()
    out, err = capfd.readouterr()
    assert traces("log", [caplog.text, out, err]) == []
    # the dead letters are the one place that keeps the record, as it came
    assert any(CANARY[0] in letter.payload for letter in letters)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "gate.sqlite", tmp_path / "ledger.sqlite"))
    assert traces("gate and ledger", [everything]) == []


def test_a_foreign_exception_is_logged_by_name_only(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        for form in ("text", "json"):
            set_up_logging(form)
            try:
                raise ValueError(f"cannot read {CANARY[0]}")
            except ValueError:
                logging.getLogger("kelsey.test").exception("it failed")
            written = capsys.readouterr().err
            assert "it failed" in written
            assert "ValueError" in written
            assert traces("log", [written]) == []
    finally:
        root.handlers[:], root.level = before
