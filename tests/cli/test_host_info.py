"""Facts about the machine on which the tests run."""

import socket
import sys
from pathlib import Path

import pytest
from support.valkey import ValkeyServer

from cli.host.host_info import Machine, inspect_host


@pytest.fixture
def port() -> int:
    """One that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


@pytest.fixture(autouse=True)
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, so that every machine looks the same, and torch is not asked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_what_the_project_depends_on_is_found(port: int) -> None:
    machine = inspect_host(None, port, {})

    assert {"moonshine_cpp"} <= machine.modules
    assert machine.cores >= 1
    assert machine.disk > 0


def test_programs_are_found_on_path(port: int, no_programs: Path) -> None:
    _program(no_programs / "nvidia-smi")

    assert inspect_host(None, port, {}).programs == {"nvidia-smi"}


def test_a_package_that_is_absent_is_not_found(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as the import system notes an absence

    assert "uvloop" not in inspect_host(None, port, {}).modules


def test_a_port_is_free_or_taken(port: int) -> None:
    assert inspect_host(None, port, {}).port_free

    with socket.create_server(("127.0.0.1", port)):
        assert not inspect_host(None, port, {}).port_free


def test_prepared_weights_are_seen_by_their_folder(port: int, tmp_path: Path) -> None:
    weights = tmp_path / "cache" / "trunkline" / "toy"
    assert not inspect_host(None, port, {"toy": weights}).prepared

    weights.mkdir(parents=True)

    assert inspect_host(None, port, {"toy": weights}).prepared == {"toy"}


def test_a_redis_that_answers_has_no_fault(port: int, valkey: ValkeyServer) -> None:
    machine = inspect_host(valkey.url, port, {})

    assert machine.redis == "unix"
    assert machine.redis_fault is None


@pytest.mark.parametrize(
    "address",
    ["redis://:hunter2@127.0.0.1:{port}/0", "localhost:6379", "redis://localhost/0?colour=1"],
)
def test_a_redis_that_cannot_be_used_is_said_without_its_password(port: int, address: str) -> None:
    machine: Machine = inspect_host(address.format(port=port), port, {})

    assert machine.redis_fault
    assert "hunter2" not in machine.redis_fault
