"""The sources a site's settings name, built."""

from __future__ import annotations

from connectors.fhir_file import FhirFileSource
from connectors.fhir_server import FhirServerSource
from connectors.source import Source
from connectors.vaers import VaersSource
from streams.settings import SiteSettings
from streams.source_settings import SourceSettings

__all__ = ["build_source"]


def build_source(settings: SiteSettings, source: SourceSettings) -> Source:
    """The source of one ``[[source]]`` table; raises `ConfigurationError` where it cannot be used as it is."""
    if source.type == "vaers":
        return VaersSource([settings.path(path) for path in source.paths], name=source.name)
    if source.type == "fhir-files":
        return FhirFileSource([settings.path(path) for path in source.paths], name=source.name)

    def token(_renew: bool) -> str:
        """The token in the file, read anew each time: whoever renews it writes the file."""
        return settings.secret("token_file", source.token_file).decode("ascii", "replace").strip()

    return FhirServerSource(source.url, name=source.name, token=token if source.token_file else None)
