"""Which dialect is spoken where.  A new bridge is one line here."""

from collections.abc import Callable

from .base import Dialect, Request
from .native import Native
from .twilio import Twilio

_DIALECTS: dict[str, Callable[[Request], Dialect]] = {
    "/v1/calls": Native,
    "/twilio": Twilio,
}


def paths() -> tuple[str, ...]:
    """Where bridges may connect."""
    return tuple(_DIALECTS)


def serves(path: str) -> bool:
    """Whether a bridge may connect there; a slash at the end does not matter."""
    return path.rstrip("/") in _DIALECTS


def open_dialect(request: Request) -> Dialect:
    """A dialect for one connection.  KeyError when nothing is served there."""
    return _DIALECTS[request.path.rstrip("/")](request)
