"""Workers as processes that die, freeze and are stopped."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.valkey import ValkeyServer
from support.waiting import PATIENCE

ROOT = Path(__file__).parent.parent
PROMPT = sorted((ROOT / "tests" / "speech" / "prompts").glob("*.wav"))[0]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="finds the worker's process in /proc"
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user with a data folder of its own and a limit of two seconds for a hanging worker."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    return clean | {
        "XDG_DATA_HOME": str(tmp_path_factory.mktemp("data")),
        "TRUNKLINE_WORKER_ENGINE": "moonshine",
        "TRUNKLINE_GATEWAY_HTTP_PORT": "0",
        "TRUNKLINE_GATEWAY_AUDIOSOCKET_PORT": "0",
        "TRUNKLINE_GATEWAY_HOLD_SECONDS": str(PATIENCE),
        "TRUNKLINE_API_PORT": "0",
        "TRUNKLINE_WORKER_STEP_LIMIT_SECONDS": "2",
    }


@pytest.fixture(scope="module")
def up(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`trunkline up` on a free port with two gateway processes, and the gateway's URL."""
    config = tmp_path_factory.mktemp("config") / "trunkline.toml"
    config.write_text("[gateway]\nprocesses = 2\ncpu_limit = 1\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "trunkline", "--config", str(config), "up", "--port", "0", "--workers", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    url = next(
        found[1] for line in process.stdout if (found := re.search(r"(ws://\S+)/twilio", line))
    )
    yield process, url
    process.terminate()
    process.wait()


def children_of(pid: int, command: bytes) -> list[int]:
    """The ids of the children of a process that run this command."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if command in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    ]


def worker_of(process: subprocess.Popen[Any]) -> int:
    """The id of the process that runs `trunkline worker`."""
    (worker,) = children_of(process.pid, b"worker")
    return worker


def test_up_starts_as_many_gateway_processes_as_its_configuration_file_says(
    up: tuple[subprocess.Popen[str], str],
) -> None:
    (parent,) = children_of(up[0].pid, b"gateway")

    assert len(children_of(parent, b"gateway")) == 2


def played(url: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Play a call, as often as a gateway on a busy machine asks for another attempt."""
    while True:
        call = subprocess.run(
            [sys.executable, "-m", "trunkline", "call", str(PROMPT), "--url", url, "--pace", "4"],
            capture_output=True, text=True, env=environment, cwd=ROOT, timeout=2 * PATIENCE, check=False,
        )  # fmt: skip
        if "overloaded, new calls are refused" not in call.stderr:
            return call


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "freezes"])
def test_a_call_is_transcribed_although_the_only_worker(
    environment: dict[str, str], up: tuple[subprocess.Popen[str], str], fate: signal.Signals
) -> None:
    process, url = up
    os.kill(worker_of(process), fate)

    call = played(url, environment)

    assert call.returncode == 0, call.stderr
    assert len(call.stdout.split()) > 5


def test_a_worker_started_alone_has_a_supervisor_and_both_stop(
    environment: dict[str, str], valkey: ValkeyServer
) -> None:
    reader, writer = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-m", "trunkline", "worker"],
        env=environment | {"TRUNKLINE_REDIS_URL": valkey.url, "TRUNKLINE_READY_FD": str(writer)},
        stderr=subprocess.DEVNULL, cwd=ROOT, pass_fds=(writer,),
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as ready:
        said = ready.readline()
    worker = worker_of(parent)

    parent.terminate()
    status = parent.wait()

    assert said.startswith("moonshine")
    assert status == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
