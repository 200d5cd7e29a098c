"""Which addresses the hub may call on a subscriber's behalf: public ones, and what the operator allows.

A webhook address is a way to make the hub send requests (server-side request forgery). A name is therefore resolved
once, every address it has is checked, and the call goes to one of the checked addresses: a name that answers
differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import msgspec

from cases import ConfigurationError
from hub.errors import WebhookAddressRefused

__all__ = ["AddressGuard", "CheckedAddress", "Resolver", "resolve"]

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[list[str]]]

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Special addresses that some versions of `ipaddress` take for public, and a cloud's metadata service on a public one.
_DENIED = tuple(
    ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2001:db8::/32", "3fff::/20")
)
_MAXIMUM_URL = 2048


class CheckedAddress(msgspec.Struct, frozen=True):
    """A webhook URL taken apart, with the address that was checked.

    `host` is what the URL names (for the Host header and the certificate), `address` what to connect to.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: str


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, by the operating system's resolver. Raises `OSError` where there is none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class AddressGuard:
    """Checks webhook URLs.

    Parameters
    ----------
    allowed
        Networks or addresses that may be called although they are not public (``10.2.0.0/16``, ``127.0.0.1``); for
        those plain http is accepted as well.
    resolver
        From name and port to addresses; replaced in tests.

    Raises
    ------
    ConfigurationError
        `allowed` holds something that is no network.
    """

    def __init__(self, allowed: Sequence[str] = (), *, resolver: Resolver = resolve) -> None:
        networks = []
        for text in allowed:
            try:
                networks.append(ip_network(text))
            except ValueError as error:
                raise ConfigurationError(
                    f"webhooks.allow_addresses: {text!r} is not a network or an address", hint="write 10.2.0.0/16"
                ) from error
        self._allowed = tuple(networks)
        self._resolver = resolver

    async def check(self, url: str) -> CheckedAddress:
        """Resolve a URL and check every address of it.

        Raises
        ------
        WebhookAddressRefused
            The URL is not https (http only towards allowed addresses), has a user name, does not resolve, or one of
            its addresses is loopback, link-local, private, metadata, multicast or otherwise not public.
        """
        parts, port = _split(url)
        host = parts.hostname or ""
        try:
            addresses = await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise WebhookAddressRefused("the host of the webhook address does not resolve") from error
        if not addresses:
            raise WebhookAddressRefused("the host of the webhook address does not resolve")
        for text in addresses:
            address = ip_address(text.partition("%")[0])
            if self._is_allowed(address):
                continue
            if not _is_public(address):
                raise WebhookAddressRefused(
                    "the webhook address leads to a loopback, link-local, private or otherwise not public address",
                    hint="the operator can allow it in hub.toml: [webhooks] allow_addresses",
                )
            if parts.scheme != "https":
                raise WebhookAddressRefused("a webhook address must start with https://")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return CheckedAddress(parts.scheme, host, port, path, addresses[0])

    def _is_allowed(self, address: _Address) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)


def _split(url: str) -> tuple[SplitResult, int]:
    if not (len(url) <= _MAXIMUM_URL and url.isascii() and url.isprintable() and " " not in url):
        raise WebhookAddressRefused(f"a webhook address must be printable ASCII of at most {_MAXIMUM_URL} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookAddressRefused("the webhook address is not a URL") from error
    if parts.scheme not in ("https", "http"):
        raise WebhookAddressRefused("a webhook address must start with https://")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise WebhookAddressRefused("a webhook address must not hold a user name or password")
    if not parts.hostname or port == 0:
        raise WebhookAddressRefused("a webhook address must name a host")
    return parts, port or (443 if parts.scheme == "https" else 80)


def _is_public(address: _Address) -> bool:
    """Whether an address, and every address wrapped in it, belongs to the public internet."""
    if isinstance(address, IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            wrapped.append(IPv4Address(int(address) & 0xFFFFFFFF))
        inner = [item for item in wrapped if item is not None]
        if inner:
            return all(_is_public(item) for item in inner)
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address.version == network.version and address in network for network in _DENIED):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_loopback
        and not address.is_link_local
        and not address.is_private
        and not address.is_unspecified
    )
