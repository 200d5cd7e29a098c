"""Forged, altered, replaced, oversized or otherwise odd lines are refused; good ones come out as they went in."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cases.errors import IntegrityError, ParameterError
from privacy.packing import pack_integers, packed_size_bytes, unpack_integers
from privacy.release import (
    Release,
    ReleaseError,
    ReleaseFault,
    maximum_release_bytes,
    open_release,
    peek_site,
    seal_release,
)
from tests.privacy.examples import protocol

PROTOCOL = protocol(drugs=3, reactions=4, epochs=12)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def release(**fields: Any) -> Release:
    rng = np.random.default_rng(1)
    values: dict[str, Any] = {
        "site": "ward-7",
        "protocol_hash": PROTOCOL.hash,
        "era": PROTOCOL.era,
        "epoch": 3,
        "sequence": 3,
        "tables": {
            name: rng.integers(-(10**6), 10**6, size) for name, size in (("pair", 12), ("drug", 3), ("reaction", 4))
        },
    }
    return Release(**(values | fields))


LINE = seal_release(release(), KEY)


def fault_of(line: bytes) -> ReleaseFault:
    with pytest.raises(ReleaseError) as caught:
        open_release(line, public_key=KEY.public_key(), protocol=PROTOCOL)
    return caught.value.reason


def resigned(change: Callable[[dict[str, Any]], None]) -> bytes:
    """The good line's body, changed, and signed again as the site itself could."""
    body = json.loads(LINE)["release"]
    change(body)
    raw = json.dumps(body, separators=(",", ":"))
    signature = base64.b64encode(KEY.sign(b"kelsey.release/1\n" + raw.encode())).decode()
    return f'{{"release":{raw},"signature":"{signature}"}}'.encode()


def test_a_release_comes_out_as_it_went_in() -> None:
    given = release()
    assert b"\n" not in LINE
    opened = open_release(LINE, public_key=KEY.public_key(), protocol=PROTOCOL)
    assert (opened.site, opened.protocol_hash, opened.era, opened.epoch, opened.sequence) == (
        given.site,
        given.protocol_hash,
        given.era,
        given.epoch,
        given.sequence,
    )
    assert all(np.array_equal(opened.tables[name], given.tables[name]) for name in given.tables)
    assert peek_site(LINE, protocol=PROTOCOL) == "ward-7"
    assert seal_release(given, KEY) == LINE  # sealing is deterministic
    assert resigned(lambda body: None) == LINE  # and the helper of these tests is sound


def test_every_single_changed_byte_is_refused() -> None:
    for place in range(len(LINE)):
        altered = bytearray(LINE)
        altered[place] ^= 1
        assert fault_of(bytes(altered)) in (ReleaseFault.MALFORMED, ReleaseFault.SIGNATURE)


def test_a_forged_line_is_refused() -> None:
    assert fault_of(seal_release(release(), OTHER_KEY)) is ReleaseFault.SIGNATURE
    wrong = json.loads(LINE)
    wrong["release"]["epoch"] = 4
    assert fault_of(json.dumps(wrong, separators=(",", ":")).encode()) is ReleaseFault.SIGNATURE


def test_an_oversized_line_is_refused_before_it_is_parsed() -> None:
    assert fault_of(b"x" * (maximum_release_bytes(PROTOCOL) + 1)) is ReleaseFault.OVERSIZED
    with pytest.raises(ReleaseError, match="at most"):
        peek_site(b"x" * (maximum_release_bytes(PROTOCOL) + 1), protocol=PROTOCOL)


def test_the_largest_possible_release_fits() -> None:
    era = "\u20ac" * 512
    wide = protocol(era=era)
    tables = {name: np.full(size, -(2**63)) for name, size in (("pair", 12), ("drug", 3), ("reaction", 4))}
    line = seal_release(
        release(site="x" * 63, era=era, protocol_hash=wide.hash, epoch=11, sequence=10**18, tables=tables), KEY
    )
    assert open_release(line, public_key=KEY.public_key(), protocol=wide).tables["pair"][0] == -(2**63)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda body: body.update(protocol_hash="0" * 64), ReleaseFault.PROTOCOL),
        (lambda body: body.update(era="2027"), ReleaseFault.ERA),
        (lambda body: body.update(epoch=12), ReleaseFault.EPOCH),
        (lambda body: body["tables"].update(pair=body["tables"]["drug"]), ReleaseFault.TABLE),
        (lambda body: body["tables"].update(drug="AQAAAA=="[:-4]), ReleaseFault.TABLE),
        (lambda body: body["tables"].update(drug="AgAAAAAAAA=="), ReleaseFault.TABLE),  # wider than needed
        (lambda body: body["tables"].update(drug=""), ReleaseFault.TABLE),
        (lambda body: body.update(epoch=-1), ReleaseFault.MALFORMED),
        (lambda body: body.update(epoch=1.0), ReleaseFault.MALFORMED),
        (lambda body: body.update(sequence="3"), ReleaseFault.MALFORMED),
        (lambda body: body.update(site="Ward 7, J. Doe"), ReleaseFault.MALFORMED),
        (lambda body: body.update(site="ward-7\n"), ReleaseFault.MALFORMED),
        (lambda body: body.update(schema="kelsey.release/2"), ReleaseFault.MALFORMED),
        (lambda body: body.update(comment="J. Doe"), ReleaseFault.MALFORMED),
        (lambda body: body["tables"].update(patients="AQA="), ReleaseFault.MALFORMED),
        (lambda body: body.pop("era"), ReleaseFault.MALFORMED),
        (lambda body: body["tables"].pop("drug"), ReleaseFault.MALFORMED),
    ],
)
def test_what_even_the_site_itself_may_not_send(change: Callable[[dict[str, Any]], None], fault: ReleaseFault) -> None:
    assert fault_of(resigned(change)) is fault


def test_only_the_one_canonical_form_is_accepted() -> None:
    document = json.loads(LINE)
    variants = [
        LINE + b"\n",
        b" " + LINE,
        json.dumps(document).encode(),
        LINE.replace(b'"epoch":3', b'"epoch":3,"epoch":3'),
        LINE.replace(b'"ward-7"', b'"\\u0077ard-7"'),
        json.dumps(
            {"signature": document["signature"], "release": document["release"]}, separators=(",", ":")
        ).encode(),
    ]
    assert all(variant != LINE and fault_of(variant) is ReleaseFault.MALFORMED for variant in variants)


@pytest.mark.parametrize(
    "junk", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 900, b'{"release":7}', LINE[:-1], b'{"a":' + b"[" * 900]
)
def test_junk_is_malformed_for_both_doors(junk: bytes) -> None:
    assert fault_of(junk) is ReleaseFault.MALFORMED
    with pytest.raises(ReleaseError) as caught:
        peek_site(junk, protocol=PROTOCOL)
    assert caught.value.reason is ReleaseFault.MALFORMED


def test_deep_nesting_is_malformed_too() -> None:
    wide = protocol(drugs=300, reactions=100)
    for junk in (b'{"a":' + b"[" * 100_000, b'{"release":{"a":' + b'{"a":' * 40_000):
        with pytest.raises(ReleaseError) as caught:
            peek_site(junk, protocol=wide)
        assert caught.value.reason is ReleaseFault.MALFORMED


def test_refusals_never_repeat_what_the_line_holds() -> None:
    canary = "Quillfeather"
    lines = [
        resigned(lambda body: body.update({canary: 1})),
        resigned(lambda body: body.update(site=canary)),
        resigned(lambda body: body.update(era=canary)),
        resigned(lambda body: body.update(schema=canary)),
        LINE.replace(b"ward-7", canary.lower().encode()),
        canary.encode(),
    ]
    for line in lines:
        with pytest.raises(ReleaseError) as caught:
            open_release(line, public_key=KEY.public_key(), protocol=PROTOCOL)
        seen: BaseException | None = caught.value
        while seen is not None:
            assert canary.lower() not in str(seen).lower()
            seen = seen.__cause__


def test_random_bytes_never_raise_anything_else() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        altered = bytearray(LINE)
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(altered))
            altered[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 4))
        if bytes(altered) != LINE:
            fault_of(bytes(altered))


@pytest.mark.parametrize(
    "fields",
    [
        {"site": "Ward 7"},
        {"site": "-ward"},
        {"site": "w" * 64},
        {"site": "ward-7\n"},
        {"protocol_hash": "abc"},
        {"epoch": -1},
        {"sequence": -1},
        {"tables": {"pair": np.zeros(12, dtype=np.int64)}},
    ],
)
def test_a_site_cannot_even_build_a_wrong_release(fields: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        release(**fields)


@given(arrays(np.int64, st.integers(0, 40)))
def test_packing_is_exact_and_has_one_form(values: np.ndarray) -> None:
    data = pack_integers(values)
    assert np.array_equal(unpack_integers(data, length=len(values)), values)
    assert len(data) <= packed_size_bytes(len(values))
    assert pack_integers(unpack_integers(data, length=len(values))) == data


@given(st.binary(max_size=60), st.integers(0, 12))
def test_unpacking_takes_nothing_but_packings(data: bytes, length: int) -> None:
    try:
        values = unpack_integers(data, length=length)
    except IntegrityError:
        return
    assert pack_integers(values) == data


def test_packing_is_as_small_as_the_largest_value_needs() -> None:
    for width, limit in ((1, 127), (2, 2**15 - 1), (3, 2**23 - 1), (8, 2**63 - 1)):
        assert len(pack_integers(np.array([limit, -limit - 1, 0]))) == 1 + 3 * width
    with pytest.raises(ParameterError, match="int64"):
        pack_integers(np.zeros(3))  # type: ignore[arg-type]  # what is tested
