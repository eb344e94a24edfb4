"""Ports of a group of processes."""

import socket
import sys

import pytest

from broker.http.ports import PortError
from broker.process_group.reserved_ports import reserved_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT spreads on Linux")


def listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), reuse_port=True)


def test_processes_listen_on_a_port_that_the_parent_has_reserved() -> None:
    with (
        reserved_port("127.0.0.1", 0, "port") as port,
        listening(port),
        listening(port),
        socket.create_connection(("127.0.0.1", port)),
    ):
        pass


def test_a_port_of_another_program_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortError, match=f"port {port} on 127.0.0.1 .*set http_port"):
            with reserved_port("127.0.0.1", port, "http_port"):
                pass


@pytest.mark.parametrize("listens", [True, False], ids=["listening", "starting"])
def test_two_groups_do_not_share_a_port(listens: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with reserved_port("127.0.0.1", port, "port"):
        other = listening(port) if listens else None
        with pytest.raises(PortError), reserved_port("127.0.0.1", port, "port"):
            pass
        if other:
            other.close()
