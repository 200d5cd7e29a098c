"""Parts of the webhooks: signatures that an independent library accepts, addresses, retries."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from cases import ConfigurationError, ParameterError
from hub.address_guard import AddressGuard, resolve
from hub.errors import WebhookAddressRefused
from hub.retry_schedule import ATTEMPTS, next_delay_seconds, retry_after_seconds
from hub.webhook_signature import new_webhook_secret, sign_webhook

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_independent_library_accepts_our_signature() -> None:
    secret, body = new_webhook_secret(), b'{"id":"1","text":"caf\xc3\xa9"}'
    headers = sign_webhook(body, message_id="kelsey-event-1", at=datetime.now(UTC), secret=secret)
    assert standardwebhooks.Webhook(secret).verify(body, headers) == {"id": "1", "text": "café"}


def test_it_refuses_another_secret_body_id_and_age() -> None:
    secret, body = new_webhook_secret(), b'{"id":"1"}'
    headers = sign_webhook(body, message_id="kelsey-event-1", at=datetime.now(UTC), secret=secret)
    old = sign_webhook(body, message_id="kelsey-event-1", at=datetime.now(UTC) - timedelta(minutes=6), secret=secret)
    for verifier, sent, signed in (
        (new_webhook_secret(), body, headers),
        (secret, b'{"id":"2"}', headers),
        (secret, body, {**headers, "webhook-id": "kelsey-event-2"}),
        (secret, body, old),
    ):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(verifier).verify(sent, signed)


def test_secrets_are_long_and_different() -> None:
    assert len({new_webhook_secret() for _ in range(50)}) == 50
    for wrong in ("", "whsec_*", "c2VjcmV0"):
        with pytest.raises(ParameterError, match="webhook secret"):
            sign_webhook(b"", message_id="1", at=NOW, secret=wrong)


def check(url: str, *addresses: str, allowed: tuple[str, ...] = ()) -> str:
    async def resolver(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return asyncio.run(AddressGuard(allowed, resolver=resolver).check(url)).address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "169.254.1.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1",
        "64:ff9b:1::1", "100::1", "3fff::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2001:0:7f00:1:0:0:80ff:fffe", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(WebhookAddressRefused, match="not public"):
        check("https://receiver.example/hook", address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses_are_accepted(address: str) -> None:
    assert check("https://receiver.example/hook", address) == address


def test_one_bad_address_among_good_ones_is_enough() -> None:
    with pytest.raises(WebhookAddressRefused):
        check("https://receiver.example/", "93.184.215.14", "10.0.0.1")


def test_allowed_networks_may_be_called_also_without_tls() -> None:
    assert check("http://receiver.example/", "10.2.3.4", allowed=("10.2.0.0/16",)) == "10.2.3.4"
    with pytest.raises(WebhookAddressRefused, match="not public"):
        check("http://receiver.example/", "10.3.3.4", allowed=("10.2.0.0/16",))
    with pytest.raises(WebhookAddressRefused, match="https"):
        check("http://receiver.example/", "93.184.215.14", allowed=("10.2.0.0/16",))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://receiver.example/", "file:///etc/passwd", "receiver.example", "https://", "https:///x", "//x/y",
        "https://user:secret@receiver.example/", "https://user@receiver.example/", "https://receiver.example:0/",
        "https://receiver.example:99999/", "https://receiver.example/\r\nhost: x", "https://rec eiver.example/",
        "https://réceiver.example/", "https://receiver.example/" + "x" * 2048, "https://[::1/",
    ],
)  # fmt: skip
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(WebhookAddressRefused) as caught:
        check(url, "93.184.215.14")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
def test_every_spelling_of_the_own_machine_is_refused_by_the_real_resolver(host: str) -> None:
    with pytest.raises(WebhookAddressRefused):
        asyncio.run(AddressGuard(resolver=resolve).check(f"https://{host}/hook"))


def test_a_name_without_address_is_refused() -> None:
    with pytest.raises(WebhookAddressRefused, match="does not resolve"):
        check("https://receiver.example/")
    with pytest.raises(WebhookAddressRefused, match="does not resolve"):
        asyncio.run(AddressGuard().check(f"https://{'x' * 70}.example/"))


@given(st.text(max_size=60))
def test_no_text_gets_past_or_breaks_the_guard(text: str) -> None:
    for url in (text, f"https://{text}/", f"https://receiver.example/{text}"):
        try:
            address = check(url, "93.184.215.14")
        except WebhookAddressRefused:
            continue
        assert url.isascii()
        assert address == "93.184.215.14"


def test_an_allow_list_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"10\.2\.0\.0/40"):
        AddressGuard(("10.2.0.0/40",))


@given(attempt=st.integers(1, ATTEMPTS + 5), jitter=st.floats(0, 1, exclude_max=True))
def test_retries_wait_longer_and_longer_and_end_after_days(attempt: int, jitter: float) -> None:
    delay = next_delay_seconds(attempt, jitter=jitter)
    if attempt >= ATTEMPTS:
        assert delay is None
    else:
        assert delay is not None
        assert 4 <= delay <= 52_000


def test_the_whole_schedule_lasts_about_three_days() -> None:
    delays = [next_delay_seconds(attempt, jitter=0.5) for attempt in range(1, ATTEMPTS)]
    assert 2.5 * 86400 < sum(delay or 0 for delay in delays) < 3.5 * 86400
    assert delays == sorted(delays, key=lambda delay: delay or 0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("120", 120.0), (" 7 ", 7.0), ("Mon, 01 Jun 2026 12:05:00 GMT", 300.0),
        ("Mon, 01 Jun 2026 11:00:00 GMT", 0.0), ("soon", None), ("", None), ("-5", None), ("9" * 400, 999999999.0),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


def test_retry_after_lengthens_but_never_shortens_and_is_bounded() -> None:
    assert next_delay_seconds(1, jitter=0.5, retry_after=600.0) == 600
    assert next_delay_seconds(5, jitter=0.5, retry_after=1.0) == 1800
    assert next_delay_seconds(1, jitter=0.5, retry_after=1e9) == 12 * 3600
