"""Auditing a protocol's releases, and saying what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import msgspec
import numpy as np

from cases import ParameterError
from kelsey.console import table
from privacy.audit import AuditVerdict, ReleasePath, SecureSumPath, TableAudit, audit_release
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol

__all__ = ["AuditReport", "audit_protocol", "standard_protocol"]

_Trust = Literal["per-site", "secure-sum"]
_PATHS: dict[str, type[ReleasePath]] = {path.name: path for path in (ReleasePath, SecureSumPath)}
_GROUP_MU = 3.5  # at which the bound, relative to mu, needs the fewest runs
_REPLAYS = 8
_WORSE = (AuditVerdict.PASS, AuditVerdict.WARN, AuditVerdict.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was audited and found; `as_dict` has the documented keys."""

    protocol: str
    protocol_hash: str
    trust_mode: str
    delta: float
    runs: int
    seed: int
    epochs: int
    patients: int
    replayed_runs: int
    replay_is_exact: bool
    tables: dict[str, TableAudit]

    @property
    def verdict(self) -> AuditVerdict:
        """The worst of all tables; fail where single runs through the messages gave other bytes."""
        if not self.replay_is_exact:
            return AuditVerdict.FAIL
        return max((found.verdict for found in self.tables.values()), key=_WORSE.index)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "tables"}
        tables = {name: asdict(found) | {"verdict": str(found.verdict)} for name, found in self.tables.items()}
        return fields | {"tables": tables, "verdict": str(self.verdict)}

    def text(self) -> str:
        """As a table with the verdict in words."""
        rows = [
            (
                name,
                f"{found.mu_claimed:.4f}",
                f"{found.mu_lower_bound:.4f}",
                f"{found.mu_lower_bound / found.mu_claimed:.3f}",
                f"{found.epsilon_claimed:.3f}",
                f"{found.epsilon_lower_bound:.3f}",
                f"{found.group_epsilon_claimed:.2f}",
                f"{found.group_epsilon_lower_bound:.2f}",
                str(found.verdict),
            )
            for name, found in self.tables.items()
        ]
        header = (
            "tables", "mu claimed", "mu at least", "ratio", "epsilon claimed", "epsilon at least",
            "group claimed", "group at least", "verdict",
        )  # fmt: skip
        bits = "bit for bit the same" if self.replay_is_exact else "NOT THE SAME"
        return "\n".join(
            [
                f"{self.protocol}, {self.trust_mode}, delta {self.delta:g}: {self.runs:,} runs of each world, "
                f"{self.epochs} epochs, {self.patients} patients in or out together",
                table(rows, header=header),
                f"{self.replayed_runs} single runs through the real messages: {bits}",
                _WORDS[self.verdict],
            ]
        )


_WORDS = {
    AuditVerdict.PASS: "pass: no loss beyond the claim was found, and the audit would have seen one",
    AuditVerdict.WARN: "warn: no loss beyond the claim was found, but the audit saw too little to say much; more runs",
    AuditVerdict.FAIL: "FAIL: the releases give away more than is claimed; stop releasing and find out why",
}


def standard_protocol(*, epsilon: float, trust: _Trust) -> SurveillanceProtocol:
    """What is audited where no protocol is given: all defaults, delta 1e-6; for a secure sum 4 honest sites of 5."""
    is_sum = trust == "secure-sum"
    return SurveillanceProtocol(
        name=f"standard protocol, epsilon {epsilon:g}", version="1", era="audit", vocabulary="none@1",
        drugs=("A",), reactions=("R",), calendar=EpochCalendar("month", date(2026, 1, 1), 12),
        epsilon=epsilon, delta=1e-6, trust_mode=trust,
        minimum_cohort=5 if is_sum else msgspec.UNSET, honest_fraction=0.8 if is_sum else msgspec.UNSET,
    )  # fmt: skip


def audit_protocol(
    protocol: SurveillanceProtocol,
    *,
    trust: _Trust,
    runs: int,
    seed: int,
    epochs: int,
    patients: int | None,
    advance: Callable[[int], None] = lambda _: None,
) -> AuditReport:
    """Audit the releases of a protocol in one trust mode.

    Parameters
    ----------
    trust
        ``per-site`` can be audited for every protocol, ``secure-sum`` for one that names a cohort.
    runs, seed
        Of each world; equal seeds give equal reports. The seed is the audit's alone.
    epochs
        Releases looked at; a shorter calendar gives what it has.
    patients
        In or out together; None: so many that the bound comes closest to the truth.

    Raises `ParameterError` where the protocol has no cohort, or a number is out of its range.
    """
    if trust == "secure-sum" and protocol.cohort is None:
        raise ParameterError("trust mode secure-sum needs a protocol with minimum_cohort and honest_fraction")
    if trust == "per-site" and protocol.trust_mode != "per-site":
        strategy = protocol.strategy
        protocol = msgspec.structs.replace(
            protocol, trust_mode="per-site", minimum_cohort=msgspec.UNSET, honest_fraction=msgspec.UNSET
        )
        vars(protocol)["strategy"] = strategy  # bound to the protocol before
    epochs = min(epochs, protocol.calendar.count)
    kind = _PATHS[trust]
    if patients is None:
        patients = max(1, round(_GROUP_MU / kind(protocol, epochs=epochs, patients=1).spec.mu))
    path = kind(protocol, epochs=epochs, patients=patients)
    tables = audit_release(path, runs=runs, random_bytes=np.random.default_rng(seed).bytes, advance=advance)
    return AuditReport(
        protocol=protocol.name,
        protocol_hash=protocol.hash,
        trust_mode=trust,
        delta=protocol.delta,
        runs=runs,
        seed=seed,
        epochs=epochs,
        patients=patients,
        replayed_runs=_REPLAYS,
        replay_is_exact=path.replay(range(seed, seed + _REPLAYS)),
        tables=tables,
    )
