"""The tolerant FHIR reader: AdverseEvent of R4, R4B, R5 and the Vulcan R4 backport to one case draft; pure."""

from connectors.fhir.conformance import ConformanceIssue, report
from connectors.fhir.reader import read_adverse_event

__all__ = ["ConformanceIssue", "read_adverse_event", "report"]
