"""
Connections without a complete request: a bounded number; a new connection evicts the oldest.

A flood from one address cannot block others: an address above its limit loses its own oldest connection; above the
total limit, the address with the most connections loses its oldest.
"""

import ipaddress
from typing import Generic, TypeVar

_Connection = TypeVar("_Connection")

_IPV6_NETWORK_BITS = 64
"""Length of the IPv6 prefix that counts as one address: a host may use any address of its network."""


class PendingConnections(Generic[_Connection]):
    """Tracks pending connections.  Pure: returns the connection that the caller must close."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._address_of: dict[_Connection, str] = {}
        self._by_address: dict[str, dict[_Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._address_of)

    def add(self, connection: _Connection, address: str) -> _Connection | None:
        """Add a connection.  Returns the evicted connection, which is not counted any more, or None."""
        evicted = self._gives_way(group(address))
        if evicted is not None:
            self.remove(evicted)
        self._address_of[connection] = group(address)
        self._by_address.setdefault(group(address), {})[connection] = None
        return evicted

    def remove(self, connection: _Connection) -> None:
        """Remove a connection that has sent its request or is closed.  Idempotent."""
        address = self._address_of.pop(connection, None)
        if address is None:
            return
        del self._by_address[address][connection]
        if not self._by_address[address]:
            del self._by_address[address]

    def _gives_way(self, address: str) -> _Connection | None:
        if len(self._by_address.get(address, ())) >= self._most_per_address:
            return next(iter(self._by_address[address]))
        if len(self._address_of) >= self._most:
            fullest = max(self._by_address.values(), key=len)
            return next(iter(fullest))
        return None


def group(address: str) -> str:
    """Return the group in which an address is counted: the /64 network for IPv6, the address itself for IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False))
