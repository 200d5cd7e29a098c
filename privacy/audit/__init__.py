"""An outsider's check of the claim: the real release code, run until a loss beyond it would show.

canary -> release_path (secure_sum_path) -> release_audit (error_bounds) -> table_audit. Randomness comes in as an
argument and is seeded here alone; production draws from the operating system.
"""

from privacy.audit.canary import Canary, Move
from privacy.audit.release_audit import AUDITED_TABLES, SMALLEST_RUNS, audit_release
from privacy.audit.release_path import ReleasePath
from privacy.audit.secure_sum_path import SecureSumPath
from privacy.audit.table_audit import AuditVerdict, TableAudit

__all__ = [
    "AUDITED_TABLES",
    "SMALLEST_RUNS",
    "AuditVerdict",
    "Canary",
    "Move",
    "ReleasePath",
    "SecureSumPath",
    "TableAudit",
    "audit_release",
]
