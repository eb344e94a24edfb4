"""Errors of ports that cannot be opened."""

from collections.abc import Iterator
from contextlib import contextmanager

from protocol.operator_error import OperatorError


class PortError(OperatorError):
    """A port cannot be opened.  The text says which, and what the operator must do."""


@contextmanager
def opening(host: str, port: int, setting: str) -> Iterator[None]:
    """Open a port while the context is active.  Raises PortError instead of OSError.  `setting`: its name."""
    try:
        yield
    except OSError as exc:
        raise PortError(
            f"port {port} on {host} cannot be opened ({_reason(exc)}): stop the program that uses it, or set"
            f" {setting} to another port"
        ) from exc


def _reason(error: OSError) -> str:
    """Return the last part of the text: asyncio quotes the address before it."""
    return (error.strerror or type(error).__name__).rpartition(": ")[2].rstrip(")").lower()
