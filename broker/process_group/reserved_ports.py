"""Ports that several processes listen on with SO_REUSEPORT: socket(7)."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from protocol.operator_error import OperatorError

from ..http.ports import opening


class NoSharedPortsError(OperatorError):
    """This system cannot spread the connections of one port over processes."""


@contextmanager
def reserved_port(host: str, port: int, setting: str) -> Iterator[int]:
    """
    Keep a port for the processes of a group while the context is active; yields it.

    `port`: 0 takes a free one.  The parent binds it and does not listen: the kernel gives connections only to the
    processes that listen, and they alone hold connections that are not accepted yet.  Raises PortError if another
    program, also another group, uses the port.
    """
    if sys.platform != "linux":
        raise NoSharedPortsError("several processes on one port need Linux: set processes to 1")
    with opening(host, port, setting), ExitStack() as opened:
        if port:
            opened.enter_context(_lock(host, port))
            _check_free(host, port)
        address = _first_address(host, port)
        bound = opened.enter_context(socket.socket(address[0], socket.SOCK_STREAM))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address[4])
        kept = opened.pop_all()
    with kept:
        yield bound.getsockname()[1]


def _lock(host: str, port: int) -> socket.socket:
    """Raise OSError if another group has reserved the port and does not listen yet: unix(7), abstract names."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0trunkline-{os.getuid()}-{host}-{port}")
    except OSError:
        lock.close()
        raise
    return lock


def _check_free(host: str, port: int) -> None:
    """Raise OSError if a program listens on the port: SO_REUSEPORT alone would share it."""
    for address in socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address[0] == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address[4])


def _first_address(host: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return found[0]  # type: ignore[return-value]  # the type of getaddrinfo allows Bluetooth addresses
