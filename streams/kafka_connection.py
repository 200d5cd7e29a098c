"""How every Kafka client of a site connects: one place that knows addresses, certificates and passwords."""

from __future__ import annotations

import ssl
from typing import Any

from cases import ConfigurationError
from streams.settings import KafkaSettings, SiteSettings

__all__ = ["client_options", "password", "ssl_context"]


def client_options(settings: SiteSettings) -> dict[str, Any]:
    """Connection options that kafka-python and aiokafka both understand.

    Raises `ConfigurationError` where a certificate or password file cannot be used.
    """
    kafka = settings.require_kafka()
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "security_protocol": kafka.security_protocol,
    }
    if "SSL" in kafka.security_protocol.split("_"):
        options["ssl_context"] = ssl_context(settings)
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism or "SCRAM-SHA-256",
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": password(settings),
        }
    return options


def password(settings: SiteSettings) -> str:
    """The Kafka password."""
    return settings.secret("[kafka] password_file", settings.require_kafka().password_file).decode().strip()


def ssl_context(settings: SiteSettings) -> ssl.SSLContext:
    """Trust and, for mutual TLS, the client's certificate."""
    kafka: KafkaSettings = settings.require_kafka()
    try:
        context = ssl.create_default_context(cafile=settings.path(kafka.ca_file) if kafka.ca_file else None)
        if kafka.certificate_file:
            context.load_cert_chain(settings.path(kafka.certificate_file), settings.path(kafka.key_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"[kafka] certificates cannot be used: {type(error).__name__}") from error
    return context
