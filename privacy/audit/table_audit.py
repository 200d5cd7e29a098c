"""What an audit found for one table, or several together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AuditVerdict", "TableAudit"]

_POWER = 0.9


class AuditVerdict(StrEnum):
    """What follows from the bound; stable codes."""

    PASS = "pass"  # noqa: S105  a verdict, no password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAudit:
    """Claim and measured lower bound of one table.

    Parameters
    ----------
    mu_claimed
        What the accountant says one patient's whole era loses through these tables.
    mu_canary
        What this canary loses by the accountant's own arithmetic: the most that the audit can find in sound code.
    mu_lower_bound
        What was found, for one patient.
    epsilon_claimed, epsilon_lower_bound
        Both as epsilon at the protocol's delta.
    group_epsilon_claimed, group_epsilon_lower_bound
        Of the whole group of audited patients: its claim, and the bound straight from the errors of the test, which
        asks nothing of the shape of the noise. For one patient, that patient's.
    """

    mu_claimed: float
    mu_canary: float
    mu_lower_bound: float
    epsilon_claimed: float
    epsilon_lower_bound: float
    group_epsilon_claimed: float
    group_epsilon_lower_bound: float

    @property
    def verdict(self) -> AuditVerdict:
        """Fail where more is lost than claimed, warn where the audit found too little to say much."""
        if not (
            self.mu_lower_bound <= self.mu_claimed and self.group_epsilon_lower_bound <= self.group_epsilon_claimed
        ):
            return AuditVerdict.FAIL
        return AuditVerdict.PASS if self.mu_lower_bound >= _POWER * self.mu_claimed else AuditVerdict.WARN
