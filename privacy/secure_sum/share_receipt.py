"""An aggregator's signed word that it holds a share durably, or has counted it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy.secure_sum.share_error import ShareError, ShareFault
from privacy.secure_sum.site_share import Role

__all__ = ["ShareReceipt"]

_DOMAIN = b"kelsey.share-receipt/1\n"


class ShareReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a site keeps as proof.

    Parameters
    ----------
    role
        Of the aggregator.
    site, era, epoch, digest
        Of the message: `digest` is the SHA-256 of its bytes.
    signature
        By the aggregator's key, over all of it.
    """

    role: Role
    site: str
    era: str
    epoch: int
    digest: str
    signature: Annotated[bytes, msgspec.Meta(max_length=64)] = b""

    def _signed_bytes(self) -> bytes:
        return _DOMAIN + msgspec.json.encode(msgspec.structs.replace(self, signature=b""))

    def sign(self, key: Ed25519PrivateKey) -> ShareReceipt:
        """The same with its signature."""
        return msgspec.structs.replace(self, signature=key.sign(self._signed_bytes()))

    def verify(self, public_key: Ed25519PublicKey) -> None:
        """Raise `ShareError` (signature) unless it was signed by that key."""
        try:
            public_key.verify(self.signature, self._signed_bytes())
        except InvalidSignature as error:
            raise ShareError(ShareFault.SIGNATURE, "not the aggregator's signature of this receipt") from error
