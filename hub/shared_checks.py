"""What `kelsey doctor` looks at in a hub and in an aggregator alike."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from sqlalchemy import func, select

from cases import KelseyError
from hub.activation_book import ActivationBook
from hub.sql_store import SqlStore
from privacy.protocol import SurveillanceProtocol

__all__ = ["HubFinding", "check_activation", "check_clock", "check_database", "check_parameters", "check_secret_file"]

_CLOCK_TOLERANCE_SECONDS = 30.0


class HubFinding(NamedTuple):
    """One thing looked at: its name, whether it is well, what was found, and the way out where it is not."""

    name: str
    is_ok: bool
    detail: str
    way_out: str = ""

    @classmethod
    def of(cls, name: str, error: KelseyError, *, page: str = "docs/hub.md") -> Self:
        """What an error says; where it names no way out, the page of the settings is it."""
        return cls(name, False, error.message, error.hint or f"{page} lists every setting")


def check_parameters(protocol: SurveillanceProtocol) -> HubFinding:
    """Whether a protocol promises what is usual."""
    concerns = protocol.concerns()
    detail = " ".join(concerns) if concerns else f"epsilon {protocol.epsilon:g}, delta {protocol.delta:g}"
    way_out = "have those who sign the protocol confirm it, or change it before the era starts" if concerns else ""
    return HubFinding("privacy parameters", not concerns, detail, way_out)


def check_secret_file(name: str, path: Path) -> HubFinding:
    """Whether a secret is there, for those alone who need it."""
    try:
        mode = path.stat().st_mode
        path.read_bytes()
    except OSError as error:
        return HubFinding(name, False, f"{path}: {error.strerror}", "let the hub's user read it")
    if mode & stat.S_IROTH:
        return HubFinding(name, False, f"{path} can be read by everybody", f"chmod o-r {path}")
    return HubFinding(name, True, str(path))


def check_clock(name: str, theirs: datetime, *, whose: str) -> HubFinding:
    """Whether another clock, read just now, shows about the same time as this computer's."""
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    is_ok = apart <= _CLOCK_TOLERANCE_SECONDS
    return HubFinding(name, is_ok, f"{apart:.0f} s from {whose}", "" if is_ok else "run NTP on both machines")


def check_database(store: SqlStore) -> list[HubFinding]:
    """That it answers, and its clock where it has one of its own."""
    findings = [HubFinding("database", True, f"{store.dialect} answers")]
    if store.dialect == "postgresql":
        with store.read() as connection:
            theirs = connection.execute(select(func.now())).scalar_one()
        findings.append(check_clock("clock", theirs, whose="the database's"))
    return findings


def check_activation(book: ActivationBook, protocol: SurveillanceProtocol) -> HubFinding:
    """Whether the party may work under its protocol, and by whose word."""
    try:
        book.require(protocol)
    except KelseyError as error:
        return HubFinding.of("activation", error)
    known = book.all()
    said = f"by {known[-1].activated_by} on {known[-1].activated_at:%Y-%m-%d}" if known else "none: a trial"
    return HubFinding("activation", True, said)
