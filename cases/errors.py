"""One tree of errors for the whole of Kelsey: a stable code, whether a retry can help, and the way out.

    KelseyError
    ├── ParameterError      a caller's value is outside its range (also a ValueError)
    ├── ConfigurationError  a settings file cannot be used (also a ValueError)
    ├── RecordError         one incoming record cannot become a case (also a ValueError)
    ├── UnknownTermError    a drug or reaction that is not there (also a LookupError)
    ├── IntegrityError      stored state contradicts itself or its signature
    └── ServiceError        another system did not answer as it should (retryable)

Retry code reads `retryable` and nothing else.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ConfigurationError",
    "IntegrityError",
    "KelseyError",
    "ParameterError",
    "RecordError",
    "ServiceError",
    "UnknownTermError",
]


class KelseyError(Exception):
    """Root of every error Kelsey raises on purpose.

    Parameters
    ----------
    message
        What is wrong, in one line; never holds patient data.
    hint
        What the reader can do about it, in one line; empty where the message says it all.
    """

    code: ClassVar[str] = "kelsey"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ParameterError(KelseyError, ValueError):
    """A value outside the range its docstring states."""

    code = "parameter"


class ConfigurationError(KelseyError, ValueError):
    """A settings file, key or secret that cannot be used as it is."""

    code = "configuration"


class RecordError(KelseyError, ValueError):
    """An incoming record that cannot become a case.

    Parameters
    ----------
    reason
        Stable reason code, one of `cases.reasons.DeadLetterReason`.
    detail
        What was found, as an element path or a type, never as content of the record.
    """

    code = "record"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class UnknownTermError(KelseyError, LookupError):
    """A drug or reaction name that the data at hand does not hold."""

    code = "unknown-term"


class IntegrityError(KelseyError):
    """Stored or received state that contradicts itself, its hash or its signature."""

    code = "integrity"


class ServiceError(KelseyError):
    """Another system (Kafka, a FHIR server, the hub) that did not answer as it should."""

    code = "service"
    retryable = True
