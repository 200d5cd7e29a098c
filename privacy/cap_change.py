"""A change of what an era may spend: two people sign it, the ledger keeps it with both signatures in its chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases.errors import IntegrityError
from privacy.party_signature import PartySignature, sign_document

__all__ = ["CapChange", "SignedCapChange"]

_KIND = "ledger-cap"
_ROLE = "cap"
_PEOPLE = 2
_Cap = Annotated[int, msgspec.Meta(ge=0)]


class CapChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed, in one ledger and once.

    Parameters
    ----------
    era, era_start
        The era, and the hash of its first step: another ledger has another one. A function of exact data, so the
        document stays at the site.
    number
        How many changes of the era's cap came before; a signed change fits no second time.
    old_cap, new_cap
        Millionths of mu squared.
    reason
        For those who read the ledger later.
    """

    era: str
    era_start: str
    number: Annotated[int, msgspec.Meta(ge=0)]
    old_cap: _Cap
    new_cap: _Cap
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    schema_version: Literal[1] = 1

    def encode(self) -> bytes:
        """Canonical JSON: what is signed."""
        return msgspec.json.encode(self, order="sorted")


class SignedCapChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change with the signatures it has so far."""

    change: CapChange
    signatures: tuple[PartySignature, ...] = ()

    def sign(self, key: Ed25519PrivateKey, *, party: str) -> Self:
        """With one more signature, in place of one of the same name."""
        others = tuple(each for each in self.signatures if each.party != party)
        made = sign_document(_KIND, self.change.encode(), key, party=party, role=_ROLE)
        return msgspec.structs.replace(self, signatures=(*others, made))

    def encode(self) -> bytes:
        """Canonical JSON."""
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises `IntegrityError` where the bytes are something else."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise IntegrityError(f"not a change of a cap: {error}") from error

    def require_two_people(self, allowed: Mapping[str, Ed25519PublicKey] | None = None) -> None:
        """Raise `IntegrityError` unless two different keys signed, under two names.

        Every signature must be valid; with `allowed`, each must also be of one of these names with its key.
        """
        for each in self.signatures:
            if not (each.role == _ROLE and each.is_of(_KIND, self.change.encode())):
                raise IntegrityError(f"the signature of {each.party} is not one of this change")
            if allowed is not None and not (each.party in allowed and each.is_by(allowed[each.party])):
                raise IntegrityError(
                    f"{each.party} may not change a cap", hint="those who may stand in site.toml as [[signer]]"
                )
        people = len({each.party for each in self.signatures})
        keys = len({each.public_key for each in self.signatures})
        if not min(people, keys) >= _PEOPLE:
            raise IntegrityError(
                f"{people} names with {keys} keys signed the change of the cap: it needs {_PEOPLE} people, each with a "
                "key of their own"
            )
