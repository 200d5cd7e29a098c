from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases.errors import ConfigurationError, ParameterError
from privacy.party_signature import PartySignature, sign_document
from privacy.protocol_signatures import PartyRole, ProtocolSignatures, signatures_beside
from tests.privacy.examples import protocol

NORTH, SOUTH = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
UNDER = protocol()


def test_every_byte_that_is_signed_counts() -> None:
    made = sign_document("a", b"text", NORTH, party="north", role="site")
    assert made.is_of("a", b"text")
    assert made.is_by(NORTH.public_key()) and not made.is_by(SOUTH.public_key())
    assert not made.is_of("b", b"text")
    assert not made.is_of("a", b"text ")
    for change in ({"party": "south"}, {"role": "leader"}, {"public_key": SOUTH.public_key().public_bytes_raw().hex()}):
        assert not msgspec.structs.replace(made, **change).is_of("a", b"text")
    with pytest.raises(ParameterError, match="party must have"):
        sign_document("a", b"text", NORTH, party="", role="site")


def test_the_format_is_fixed() -> None:
    """Signatures given years ago must be verifiable by a program of today."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signed = b'kelsey.protocol-signature/1\n{"digest":"%s","party":"north","role":"site"}' % UNDER.hash.encode()
    by_hand = PartySignature(
        party="north",
        role="site",
        public_key=key.public_key().public_bytes_raw().hex(),
        signature=key.sign(signed).hex(),
    )
    (made,) = ProtocolSignatures.of(UNDER).sign(UNDER, key, party="north", role=PartyRole.SITE).signatures
    assert made == by_hand


def test_signatures_are_collected_one_by_party_and_role(tmp_path: Path) -> None:
    path = signatures_beside(tmp_path / "protocol.json")
    assert path.name == "protocol.signatures.json"
    assert ProtocolSignatures.load(path, UNDER).signatures == ()
    for key, party, role in (
        (SOUTH, "south", PartyRole.SITE),
        (NORTH, "north", PartyRole.SITE),
        (NORTH, "north", PartyRole.LEADER),
        (SOUTH, "north", PartyRole.SITE),  # with another key, in place of the first
    ):
        ProtocolSignatures.load(path, UNDER).sign(UNDER, key, party=party, role=role).dump(path)
    found = ProtocolSignatures.load(path, UNDER)
    assert [(each.party, each.role) for each in found.signatures] == [
        ("north", "leader"), ("north", "site"), ("south", "site"),
    ]  # fmt: skip
    wanted = [("north", PartyRole.SITE, SOUTH.public_key()), ("south", None, SOUTH.public_key())]
    assert found.missing(wanted) == []
    assert found.missing([("north", PartyRole.SITE, NORTH.public_key())]) == ["north (site)"]
    assert found.missing([("east", None, NORTH.public_key())]) == ["east (any role)"]


def test_what_is_no_signature_of_this_protocol_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.signatures.json"
    ProtocolSignatures.of(UNDER).sign(UNDER, NORTH, party="north", role=PartyRole.SITE).dump(path)
    with pytest.raises(ConfigurationError, match="changed after it was signed"):
        ProtocolSignatures.load(path, protocol(epsilon=8.0))
    text = path.read_text()
    path.write_text(text.replace('"north"', '"south"'))
    with pytest.raises(ConfigurationError, match="signature of south \\(site\\) is not valid"):
        ProtocolSignatures.load(path, UNDER)
    path.write_text(text.replace("signatures", "signatories"))
    with pytest.raises(ConfigurationError, match="no signatures of schema version 1"):
        ProtocolSignatures.load(path, UNDER)
