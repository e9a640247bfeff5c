"""Which network addresses a server may connect to on behalf of the people who use it (server-side request forgery).

What a person names is checked, and what the name resolves to is checked too: all of its addresses, because any of them may be used.
Never allowed: link-local addresses (the metadata services of clouds are there), multicast, unspecified, broadcast and reserved ones. Private and
loopback addresses are allowed unless ``networks`` says which ones are.
"""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from wellkept.lib.text import Told, gettext_noop

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
METADATA = [ipaddress.ip_network(text) for text in ("100.100.100.200/32", "fd00:ec2::254/128", "192.0.0.192/32", "168.63.129.16/32")]
"""Metadata services that are not on a link-local address (Alibaba, AWS over IPv6, Oracle, Azure)."""
SCHEMES = ("http", "https")


class Forbidden(Told):
    """We do not connect to this address; the sentence says why."""


class Unknown(Told):
    """The name of a host does not resolve."""


def networks_of(text: str) -> list[Network]:
    """The networks in a list with commas, ``10.1.0.0/16, fd12::/16``. Raises ValueError for one that makes no sense."""
    return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]


def check_url(url: str, networks: Sequence[Network] = ()) -> list[Address]:
    """Check an address of a web service and return what its host resolves to now.

    Raises Forbidden for another scheme than http and https, for a user name or password inside, for a control character, and for an address that is
    not allowed; Unknown when the name does not resolve.
    """
    if any(char.isspace() or not char.isprintable() for char in url) or "\\" in url:
        raise Forbidden(gettext_noop("the address contains blanks, backslashes or control characters"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Forbidden(gettext_noop("the address makes no sense: {reason}"), reason=str(error)) from error
    if parts.scheme not in SCHEMES:
        raise Forbidden(gettext_noop("the address must start with http:// or https://"))
    if parts.username is not None or parts.password is not None:
        raise Forbidden(gettext_noop("the address holds a user name or a password; give them separately"))
    if parts.query or parts.fragment:
        raise Forbidden(gettext_noop("the address must end before ? and #"))
    if not host:
        raise Forbidden(gettext_noop("the address names no host"))
    return check_host(host, port or (443 if parts.scheme == "https" else 80), networks)


def check_host(host: str, port: int, networks: Sequence[Network] = ()) -> list[Address]:
    """Check the name or the address of a host and return what it resolves to now. Raises as ``check_url``."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unknown(gettext_noop("the name {host} does not resolve"), host=host) from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found))
    check_addresses(addresses, networks)
    return addresses


def check_addresses(addresses: Iterable[Address], networks: Sequence[Network] = ()) -> None:
    """Raise Forbidden when one of the addresses is not allowed."""
    for address in addresses:
        reason = refusal(address, networks)
        if reason:
            raise Forbidden(reason, address=str(address))


def refusal(address: Address, networks: Sequence[Network] = ()) -> str | None:
    """Why an address is not allowed, as a template for the ``address``; None when it is."""
    plain = _unwrapped(address)
    if plain.is_link_local or any(plain in network for network in METADATA):
        return gettext_noop("{address} is a link-local or metadata address")
    if (
        plain.is_unspecified
        or plain.is_multicast
        or (plain.is_reserved and not plain.is_loopback)
        or plain == ipaddress.IPv4Address("255.255.255.255")
    ):
        return gettext_noop("{address} is not the address of a host")
    if networks and not any(plain in network for network in networks if network.version == plain.version):
        return gettext_noop("{address} is in none of the networks that are allowed here")
    return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it (mapped, 6to4, NAT64), so that neither hides a forbidden one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
