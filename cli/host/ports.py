"""Ports of this machine: which are free."""

import socket

from broker.http.ports import PortError, opening


def try_port(host: str, port: int, setting: str) -> None:
    """Open a port as the parts do, and close it.  Raises PortError.  `setting`: what changes the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with opening(host, port, setting), socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the gateway does it
        probe.bind((host, port))


def is_free(port: int) -> bool:
    """Return whether `port` can be opened on 127.0.0.1."""
    try:
        try_port("127.0.0.1", port, "")
    except PortError:
        return False
    return True


def usable_port(wanted: int) -> int:
    """Return `wanted`, or any free port if `wanted` is 0 or in use."""
    if wanted and is_free(wanted):
        return wanted
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
