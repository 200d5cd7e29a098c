"""What a FHIR server says it can do, and whether that is enough to poll it."""

from __future__ import annotations

from typing import Any

import msgspec

from cases import ConfigurationError, ServiceError

__all__ = ["Capability"]


class Capability(msgspec.Struct, frozen=True):
    """What matters to polling: FHIR version, and whether the history of AdverseEvent (so also deletions) is told."""

    fhir_version: str
    has_history: bool

    @classmethod
    def of(cls, body: bytes) -> Capability:
        """From a CapabilityStatement.

        Raises `ServiceError` where `body` is none, `ConfigurationError` where AdverseEvent cannot be searched.
        """
        try:
            statement: Any = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ServiceError("the server's /metadata is no FHIR JSON", hint="check the source's url") from error
        if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
            raise ServiceError("the server's /metadata is no CapabilityStatement", hint="check the source's url")
        for rest in _dicts(statement.get("rest")):
            for resource in _dicts(rest.get("resource")):
                if resource.get("type") == "AdverseEvent":
                    codes = {interaction.get("code") for interaction in _dicts(resource.get("interaction"))}
                    if "search-type" in codes:
                        return cls(str(statement.get("fhirVersion", "")), "history-type" in codes)
        raise ConfigurationError(
            "this FHIR server offers no search for AdverseEvent, so it cannot be polled",
            hint="give its exported files to a source of type fhir-files instead",
        )


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
