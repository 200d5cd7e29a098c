"""Signed requests of sites: only the request that was signed is taken, and only by its key."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.secure_sum import ShareError, ShareFault, sign_request, verify_request

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TARGET = "/v1/shares/north/3?offset=0&total=90"


def test_what_is_signed_is_what_the_interface_says() -> None:
    body = b"a piece"
    said = b"kelsey.request/1\nPUT\n" + TARGET.encode() + b"\n" + hashlib.sha256(body).hexdigest().encode()
    KEY.public_key().verify(base64.b64decode(sign_request(KEY, "PUT", TARGET, body)), said)


@given(body=st.binary(max_size=64), other=st.binary(max_size=64))
@settings(max_examples=25, deadline=None)
def test_a_signature_belongs_to_one_body(body: bytes, other: bytes) -> None:
    signature = sign_request(KEY, "PUT", TARGET, body)
    verify_request(KEY.public_key(), signature, "PUT", TARGET, body)
    if other != body:
        with pytest.raises(ShareError) as refused:
            verify_request(KEY.public_key(), signature, "PUT", TARGET, other)
        assert refused.value.reason is ShareFault.SIGNATURE


@pytest.mark.parametrize(
    ("method", "target", "signature"),
    [
        ("GET", TARGET, None),
        ("PUT", TARGET.replace("offset=0", "offset=1"), None),
        ("PUT", TARGET, ""),
        ("PUT", TARGET, "é"),
        ("PUT", TARGET, "not base64"),
        ("PUT", TARGET, base64.b64encode(bytes(64)).decode()),
        ("PUT", TARGET, base64.b64encode(bytes(9)).decode()),
    ],
)
def test_everything_else_is_refused(method: str, target: str, signature: str | None) -> None:
    given_one = sign_request(KEY, "PUT", TARGET, b"x") if signature is None else signature
    with pytest.raises(ShareError, match="not the site's signature of this request"):
        verify_request(KEY.public_key(), given_one, method, target, b"x")


def test_another_key_is_refused() -> None:
    with pytest.raises(ShareError, match="not the site's signature"):
        verify_request(Ed25519PrivateKey.generate().public_key(), sign_request(KEY, "GET", TARGET), "GET", TARGET)
