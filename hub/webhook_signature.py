"""Signatures of the Standard Webhooks convention, so that a receiver can tell our calls from anybody's.

References
----------
Standard Webhooks specification, https://github.com/standard-webhooks/standard-webhooks
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime

from cases import ParameterError

__all__ = ["new_webhook_secret", "sign_webhook"]

_PREFIX = "whsec_"


def new_webhook_secret() -> str:
    """``whsec_`` and 256 random bits in base64, from the operating system."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign_webhook(body: bytes, *, message_id: str, at: datetime, secret: str) -> dict[str, str]:
    """Headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` (v1, HMAC-SHA-256).

    Raises `ParameterError` where `secret` is not of the form `new_webhook_secret` makes.
    """
    if not secret.startswith(_PREFIX):
        raise ParameterError(f"a webhook secret must start with {_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ParameterError("a webhook secret must be base64") from error
    timestamp = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
