"""Errors of ports that cannot be opened."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.operator_error import OperatorError

from .port_owner import port_owner


class PortError(OperatorError):
    """A port cannot be opened.  The text says which, and what the operator must do."""


@contextmanager
def opening(host: str, port: int, setting: str) -> Iterator[None]:
    """Open a port while the context is active.  Raises PortError instead of OSError.  `setting`: its name."""
    try:
        yield
    except OSError as exc:
        raise PortError(f"port {port} on {host} {_fault(exc, port, setting)}") from exc


def in_use(port: int, setting: str) -> str:
    """Return that another program has `port`, which one, and what to do."""
    owner = port_owner(port) or "another program"
    return f"is in use by {owner}: stop that program, or set {setting} to another port"


def _fault(error: OSError, port: int, setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return in_use(port, setting)
        case errno.EACCES:
            return f"is reserved for the administrator: set {setting} to a port from 1024 on"
        case errno.EADDRNOTAVAIL:
            return "cannot be opened: this machine does not have that address; set another host"
        case _:
            return f"cannot be opened ({_reason(error)}): set {setting} to another port"


def _reason(error: OSError) -> str:
    """Return the last part of the text: asyncio quotes the address before it."""
    return (error.strerror or type(error).__name__).rpartition(": ")[2].rstrip(")").lower()
