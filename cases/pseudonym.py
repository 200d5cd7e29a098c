"""Patient pseudonyms: the same patient at the same site gives the same token, and nobody else can tell."""

from __future__ import annotations

import hmac

from cases.errors import ParameterError

__all__ = ["MINIMUM_KEY_BYTES", "pseudonymise"]

MINIMUM_KEY_BYTES = 32


def pseudonymise(patient_id: str, *, key: bytes) -> str:
    """HMAC-SHA-256 of a patient's own id under the site's key, as 32 hexadecimal digits (128 bits).

    Parameters
    ----------
    patient_id
        The source's id, namespaced by its system so that two systems cannot collide; not empty.
    key
        Secret of the site, at least 32 bytes; never leaves it, never stands in Kafka.

    References
    ----------
    Bellare M, Canetti R, Krawczyk H (1996), Keying hash functions for message authentication,
    doi:10.1007/3-540-68697-5_1
    """
    if not patient_id:
        raise ParameterError("patient_id must not be empty")
    if not len(key) >= MINIMUM_KEY_BYTES:
        raise ParameterError(f"key must have at least {MINIMUM_KEY_BYTES} bytes, not {len(key)}")
    return hmac.digest(key, patient_id.encode(), "sha256").hex()[:32]
