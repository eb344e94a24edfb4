"""
Which addresses of others the installation may send requests to.  Pure.

A client that names a URL must not reach the internal network of the site through it (server-side request forgery,
https://owasp.org/www-community/attacks/Server_Side_Request_Forgery).  The address is checked after the name was
resolved, for each connection: a name may resolve to another address the second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

_LONGEST = 2_000

_NOT_PUBLIC = tuple(
    map(
        IPv6Network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10"),
    )
)
"""
IPv6 addresses that stand for IPv4 addresses (NAT64, 6to4, Teredo, IPv4-compatible), and site-local ones (RFC 3879).
"""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class DestinationError(ValueError):
    """Requests must not be sent there.  The text says why."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """`https` to public addresses; also `http`, and private addresses, in the networks that the site has listed."""

    networks: tuple[Network, ...] = ()

    def check_url(self, url: str) -> None:
        """Raise DestinationError for a URL that cannot be used, whatever its name resolves to."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as exc:
            raise DestinationError("this is not a URL") from exc
        if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
            raise DestinationError(f"a URL has at most {_LONGEST} characters, all of them ASCII")
        if parts.scheme not in ("https", "http") or not host:
            raise DestinationError("a URL of https is needed")
        if parts.scheme == "http" and not self.networks:
            raise DestinationError("http is not permitted: use https")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise DestinationError("a URL must not contain a user, a password or a fragment")
        if (address := _literal(host)) is not None:
            self.check_address(address, secure=parts.scheme == "https")

    def check_address(self, address: Address, *, secure: bool) -> None:
        """Raise DestinationError if no request may be sent to this address.  `secure`: over TLS."""
        mapped = getattr(address, "ipv4_mapped", None)
        real: Address = mapped or address
        if any(real in network for network in self.networks):
            return
        if not secure:
            raise DestinationError("http is permitted to the listed networks only: use https")
        if not real.is_global or real.is_multicast or any(real in one for one in _NOT_PUBLIC):
            raise DestinationError("this address is not public, and not in a listed network")


def destinations_in(networks: str) -> Destinations:
    """Return the destinations of a site that has listed `networks`, separated by commas.  Raises ValueError."""
    return Destinations(read_networks([one.strip() for one in networks.split(",") if one.strip()]))


def read_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Parse networks such as `10.0.0.0/8` or single addresses.  Raises ValueError."""
    return tuple(ip_network(name) for name in names)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
