"""
Decides which requests of web pages a port answers, from `Host`, `Origin` and `Sec-Fetch-Site`.

A browser sends requests of any page to any address, including this machine. `Origin` names the page (RFC 6454).
`Host` is the name with which the browser found the server: under DNS rebinding it is a name of the attacker.
Clients other than browsers send no `Origin`, or the origin of the server itself (libwebsockets, IXWebSocket).

Pure: headers and addresses in, a decision out.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

Headers = Sequence[tuple[str, str]]
"""Header names (in lower case) and values."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_LONGEST_NAME = 253
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#@\\]+)", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEB_SCHEMES = {"ws": "http", "wss": "https"}
"""IXWebSocket sends the scheme of the connection: https://github.com/machinezone/IXWebSocket"""

_FROM_ANOTHER_PAGE = ("cross-site", "same-site")
"""Values of `Sec-Fetch-Site` for other pages. Browsers fetch their images and scripts without `Origin`."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Normalised host name or address, and port. `port`: None for the default port of the scheme."""

    name: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme and authority of a page; `ws` counts as `http`, `wss` as `https`."""

    scheme: str
    authority: Authority

    @property
    def port(self) -> int | None:
        """The explicit or default port; None for schemes without a default port."""
        return self.authority.port or _DEFAULT_PORTS.get(self.scheme)

    def __str__(self) -> str:
        """The text as browsers send it."""
        name, port = self.authority.name, self.authority.port
        shown = f"[{name}]" if ":" in name else name
        return f"{self.scheme}://{shown}" + (f":{port}" if port else "")


@dataclass(frozen=True, slots=True)
class WebRefusal:
    """The request is refused. `text` tells the operator what to set."""

    status: HTTPStatus
    reason: str
    """`host` or `origin`, for metrics."""

    text: str


def read_authority(text: str) -> Authority | None:
    """Parse `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`; None for other texts, such as with a user name."""
    found = _AUTHORITY.fullmatch(text)
    name = _normalised(found[1]) if found else None
    port = int(found[2]) if found and found[2] else None
    if name is None or (port is not None and not 0 < port <= 65_535):
        return None
    return Authority(name, port)


def read_origin(text: str) -> Origin | None:
    """Parse an origin as browsers send it; None for `null`, lists, and texts with a path or a user name."""
    found = _ORIGIN.fullmatch(text)
    authority = read_authority(found[2]) if found else None
    if found is None or authority is None:
        return None
    scheme = _WEB_SCHEMES.get(found[1].lower(), found[1].lower())
    port = None if authority.port == _DEFAULT_PORTS.get(scheme) else authority.port
    return Origin(scheme, Authority(authority.name, port))


def _normalised(name: str) -> str | None:
    """Lower case, without the trailing dot of the DNS root; addresses in canonical form."""
    if name.startswith("["):
        return _address(name[1:-1])
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        return None
    bare = name.lower().removesuffix(".")
    return _address(bare) or bare


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


@dataclass(frozen=True, slots=True)
class WebAccess:
    """
    The access rules of one port.

    `strict`: only these rules protect the port (there are no keys). Otherwise a client without `Origin` may use any
    `Host`, because it needs a key. The origin of the server itself may then lack the port or name another scheme,
    as libwebsockets sends it.
    """

    hosts: frozenset[str]
    """Accepted in addition to `localhost`, loopback addresses, and the local address of the connection."""

    origins: frozenset[Origin]
    strict: bool

    def check(self, headers: Headers, arrived_at: str, *, secure: bool) -> WebRefusal | None:
        """None if the request is allowed. `arrived_at`: local address of the connection. `secure`: over TLS."""
        host = _only(headers, "host")
        authority = read_authority(host) if host is not None else None
        if authority is None:
            text = "send one Host header: a name or an address, and a port\n"
            return WebRefusal(HTTPStatus.BAD_REQUEST, "host", text)
        is_known = self._knows(authority.name, arrived_at)
        if not is_known and self.strict:
            return _UNKNOWN_HOST
        if not any(name == "origin" for name, _ in headers):
            return _OTHER_PAGE if _is_from_another_page(headers) else None
        origin = read_origin(_only(headers, "origin") or "")
        if origin is not None and origin in self.origins:
            return None
        if not is_known:
            return _UNKNOWN_HOST
        return None if origin and self._is_own(origin, authority, secure=secure) else _OTHER_PAGE

    def _knows(self, name: str, arrived_at: str) -> bool:
        if name == "localhost" or name in self.hosts:
            return True
        address = _address(name)
        if address is None:
            return False
        return ipaddress.ip_address(address).is_loopback or address == _address(arrived_at)

    def _is_own(self, origin: Origin, host: Authority, *, secure: bool) -> bool:
        if origin.authority.name != host.name:
            return False
        if not self.strict and origin.authority.port in (None, host.port):
            return True
        scheme = "https" if secure else "http"
        return origin.scheme == scheme and origin.port == (host.port or _DEFAULT_PORTS[scheme])


_UNKNOWN_HOST = WebRefusal(
    HTTPStatus.FORBIDDEN,
    "host",
    "this host name is not served here: add it to allowed_hosts, see docs/security.md\n",
)
_OTHER_PAGE = WebRefusal(
    HTTPStatus.FORBIDDEN,
    "origin",
    "pages of this origin are not served here: add it to allowed_origins, see docs/security.md\n",
)


def _only(headers: Headers, name: str) -> str | None:
    """The value of a header that occurs exactly once, else None."""
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else None


def _is_from_another_page(headers: Headers) -> bool:
    """True for requests by other pages. Links are allowed: the page with the link cannot read the response."""
    fetched = dict(headers)
    return (
        fetched.get("sec-fetch-site", "none").lower() in _FROM_ANOTHER_PAGE
        and fetched.get("sec-fetch-mode") != "navigate"
    )


def read_hosts(texts: Iterable[str]) -> frozenset[str]:
    """Host names from the settings; ports are ignored. Raises ValueError that names the invalid host."""
    found = {text: read_authority(text) for text in texts}
    for text, authority in found.items():
        if authority is None:
            raise ValueError(f"{text}: not a host name such as calls.example.com")
    return frozenset(authority.name for authority in found.values() if authority)


def read_origins(texts: Iterable[str]) -> frozenset[Origin]:
    """Parse the origins of a setting. Raises ValueError with the first text that is no origin."""
    found = {text: read_origin(text) for text in texts}
    for text, origin in found.items():
        if origin is None:
            raise ValueError(f"{text}: not an origin such as https://app.example.com")
    return frozenset(origin for origin in found.values() if origin)


def bound_hosts(*hosts: str) -> frozenset[str]:
    """The addresses of listening sockets as host names, without 0.0.0.0 and [::]."""
    bracketed = (
        f"[{host}]" if ":" in host and not host.startswith("[") else host for host in hosts
    )
    found = (read_authority(host) for host in bracketed if host)
    return frozenset(one.name for one in found if one and not _is_unspecified(one.name))


def is_loopback(host: str) -> bool:
    """True if an address is reachable from this machine only. Of names, only `localhost` is recognised."""
    address = _address(host.strip("[]"))
    return host == "localhost" if address is None else ipaddress.ip_address(address).is_loopback


def _is_unspecified(name: str) -> bool:
    address = _address(name)
    return address is not None and ipaddress.ip_address(address).is_unspecified
