"""
Connections that have not said yet what they want: a bounded number, of which the oldest gives way to a new one.

One flood cannot shut others out: an address that has too many loses its own oldest, and where there are too many in
all, the address with the most loses its oldest.
"""

import ipaddress
from typing import Generic, TypeVar

_Connection = TypeVar("_Connection")

_IPV6_NETWORK_BITS = 64
"""A host may use any address of its network."""


class PendingConnections(Generic[_Connection]):
    """Pure: returns the connection that must be closed."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._address_of: dict[_Connection, str] = {}
        self._by_address: dict[str, dict[_Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._address_of)

    def add(self, connection: _Connection, address: str) -> _Connection | None:
        """Count a connection; returns the one that gives way to it, which is then no longer counted."""
        evicted = self._gives_way(group(address))
        if evicted is not None:
            self.remove(evicted)
        self._address_of[connection] = group(address)
        self._by_address.setdefault(group(address), {})[connection] = None
        return evicted

    def remove(self, connection: _Connection) -> None:
        """It has said what it wants, or is gone; may be called twice."""
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
    """Addresses that one host may have are counted together."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False))
