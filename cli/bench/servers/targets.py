"""The servers that are measured: a gateway with all that it needs, a sink, or a gateway that runs already."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from broker.connections.connection import connect
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey

from ..machine import cores
from ..measurement import Target
from .server_process import server_process


@dataclass(frozen=True, slots=True)
class Rig:
    """How the gateway is run.  `engine`: None is one that takes no time, so that only the gateway is measured."""

    name: str = "gateway"
    engine: str | None = None
    workers: int = 1
    threads: int = 1
    """Threads of each worker."""

    tree: Path | None = None
    """Checkout whose gateway and workers are run; None: this one."""

    processes: int = 1
    """Number of gateway processes."""

    refuses: bool = False
    """Whether the gateway keeps its limits for new calls; without them, more calls only make it late."""

    @property
    def limits(self) -> dict[str, str]:
        """Settings of the gateway as variables.  An older checkout does not know them, and refuses to start."""
        if self.refuses or (self.tree and not _has_setting(self.tree, "streaming", "cpu_limit")):
            return {}
        return {"TRUNKLINE_GATEWAY_CPU_LIMIT": "1", "TRUNKLINE_GATEWAY_MAX_CALLS": "100000"}

    @property
    def worker_processes(self) -> int:
        """The number of worker processes: of a checkout without threads one for each thread."""
        return self.workers if self._has_threads else self.workers * self.threads

    @property
    def worker_settings(self) -> dict[str, str]:
        """Settings of the workers as variables."""
        has_more = self.threads > 1 and self._has_threads
        return {"TRUNKLINE_WORKER_THREADS": str(self.threads)} if has_more else {}

    @property
    def _has_threads(self) -> bool:
        return self.tree is None or _has_setting(self.tree, "workers", "threads")

    @property
    def core(self) -> int | None:
        """The core of the gateway; None if it has several processes, or shares all cores with an engine."""
        return None if self.engine or self.processes > 1 else cores()[0]

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of the gateway.  A checkout may not know `--processes`."""
        return ("--processes", str(self.processes)) if self.processes > 1 else ()


def _has_setting(tree: Path, part: str, name: str) -> bool:
    """Return whether a part of a checkout has a setting of this name."""
    settings = tree / part / "settings.py"
    return settings.is_file() and f" {name}:" in settings.read_text()


@asynccontextmanager
async def gateway(rig: Rig) -> AsyncIterator[Target]:
    """Run Valkey, workers and a gateway.  With the free engine, the gateway has a core of its own."""
    own, others = cores()
    if own is not None:  # inherited by everything else; a row before may have set another
        os.sched_setaffinity(0, others if rig.core is not None else {own, *others})
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(embedded_valkey())
        environment = {"TRUNKLINE_REDIS_URL": url}
        workers = [
            await stack.enter_async_context(
                server_process(
                    *_worker(rig.engine),
                    environment=environment | rig.worker_settings,
                    tree=rig.tree,
                )
            )
            for _ in range(rig.worker_processes)
        ]
        running = await stack.enter_async_context(
            server_process(
                *("-m", "trunkline", "gateway", "--port", "0", *rig.flags),
                core=rig.core,
                environment=environment | rig.limits,
                tree=rig.tree,
            )
        )
        if (
            rig.refuses
        ):  # another gateway, which would take over the calls of one that it takes for dead
            await stack.enter_async_context(
                server_process(
                    *("-m", "trunkline", "gateway", "--port", "0"), environment=environment
                )
            )
        redis = connect(RedisSettings(url=url))
        stack.push_async_callback(redis.aclose)
        yield Target(
            rig.name,
            f"ws://127.0.0.1:{running.port}",
            running.pid,
            redis,
            workers=tuple(worker.pid for worker in workers),
        )


def _worker(engine: str | None) -> tuple[str, ...]:
    if engine is None:
        return ("-m", "cli.bench.servers.free_worker")
    return ("-m", "trunkline", "worker", "--engine", engine)


@asynccontextmanager
async def sink(library: str) -> AsyncIterator[Target]:
    """Run a server that only reads, with `library`."""
    core, others = cores()
    if core is not None:
        os.sched_setaffinity(0, others)
    async with server_process("-m", "cli.bench.servers.socket_sink", library, core=core) as running:
        url = f"ws://127.0.0.1:{running.port}"
        yield Target(library, url, running.pid, is_gateway=False)


@asynccontextmanager
async def running_gateway(url: str, key: str) -> AsyncIterator[Target]:
    """A gateway that runs already: its CPU time is not known."""
    yield Target(url, url, key=key)
