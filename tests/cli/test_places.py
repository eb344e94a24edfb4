"""`up` checks the configured ports of all parts before it starts anything."""

import os
import socket

import pytest

from broker.http.ports import PortError
from cli.commands.places import Listener, listeners, shared_port
from cli.configuration import Configuration
from cli.host.ports import try_port
from cli.sections import SECTIONS


def configured(**variables: str) -> Configuration:
    configuration = Configuration(SECTIONS)
    configuration.read_environment({f"TRUNKLINE_{name}": port for name, port in variables.items()})
    return configuration


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("GATEWAY_PORT", "--port"),
        ("GATEWAY_HTTP_PORT", "TRUNKLINE_GATEWAY_HTTP_PORT"),
        ("GATEWAY_AUDIOSOCKET_PORT", "TRUNKLINE_GATEWAY_AUDIOSOCKET_PORT"),
        ("GATEWAY_METRICS_PORT", "TRUNKLINE_GATEWAY_METRICS_PORT"),
        ("WORKER_METRICS_PORT", "TRUNKLINE_WORKER_METRICS_PORT"),
        ("RECORDER_METRICS_PORT", "TRUNKLINE_RECORDER_METRICS_PORT"),
        ("API_PORT", "TRUNKLINE_API_PORT"),
        ("API_METRICS_PORT", "TRUNKLINE_API_METRICS_PORT"),
    ],
)
def test_each_configured_port_is_checked(variable: str, setting: str) -> None:
    wanted = listeners(configured(**{variable: "7654"}), with_api=True)

    assert Listener("127.0.0.1", 7654, setting) in wanted


def test_without_the_api_its_ports_do_not_matter() -> None:
    wanted = listeners(configured(API_PORT="7654", API_METRICS_PORT="7655"), with_api=False)

    assert {one.port for one in wanted} == {8080}


def test_two_parts_with_one_port_are_found() -> None:
    first = Listener("127.0.0.1", 7654, "--port")
    second = Listener("127.0.0.1", 7654, "TRUNKLINE_API_PORT")

    assert shared_port([first, Listener("127.0.0.1", 7655, "x"), second]) == (first, second)
    assert shared_port([first, Listener("127.0.0.1", 7655, "x")]) is None


def test_a_taken_port_is_told_with_the_program_that_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = f"port {port} on 127.0.0.1 is in use by .*, process {os.getpid()}: stop .*set --port"
        with pytest.raises(PortError, match=text):
            try_port("127.0.0.1", port, "--port")


def test_an_address_of_another_machine_is_told_as_such() -> None:
    with pytest.raises(PortError, match="this machine does not have that address"):
        try_port("192.0.2.1", 7654, "--port")
