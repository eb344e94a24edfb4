"""A gateway of several processes, as an operator starts it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from support.gateways import gateway_process
from support.http_client import http_client
from support.valkey import ValkeyServer


@dataclass(frozen=True)
class GatewayGroup:
    """A running group: the URL of its bridges, its metrics, and the process of its parent."""

    url: str
    status_url: str
    parent: asyncio.subprocess.Process

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of the port for health and metrics."""
        async with http_client(trust_env=False, timeout=60) as client:
            answer = await client.get(f"{self.status_url}{path}")
        return answer.status_code, answer.text

    async def by_process(self, name: str, **labels: str) -> dict[str, float]:
        """The values of a metric by the number of the process."""
        _, text = await self.get("/metrics")
        return {
            sample.labels["process"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    async def until_ready(self) -> None:
        """Wait until every process accepts calls."""
        while await self.get("/readyz") != (200, "ready\n"):
            pass  # each request takes its time

    async def until_draining(self) -> None:
        """Wait until the group accepts no calls because it stops."""
        while await self.get("/readyz") != (503, "draining\n"):
            pass

    async def until_calls(self, count: int) -> None:
        """Wait until this many calls are in progress."""
        while sum((await self.by_process("trunkline_active_calls")).values()) != count:
            pass

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by the number in the group."""
        parent = self.parent.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return {_number(int(one)): int(one) for one in children}

    def kill(self, number: str) -> None:
        """Kill -9 one process."""
        os.kill(self.processes[number], signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    return Path(f"/proc/{pid}").exists()


def _number(pid: int) -> str:
    """The number of a process in its group, from its environment."""
    for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if variable.startswith(b'TRUNKLINE_GROUP={"number":'):
            return variable.partition(b":")[2].partition(b",")[0].decode()
    raise AssertionError(f"{pid} belongs to no group")


@asynccontextmanager
async def gateway_group(valkey: ValkeyServer, **settings: str) -> AsyncIterator[GatewayGroup]:
    """Run a group of two processes; it is killed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = {
        "TRUNKLINE_GATEWAY_PROCESSES": "2",
        "TRUNKLINE_GATEWAY_METRICS_PORT": str(port),
        "TRUNKLINE_GATEWAY_CPU_LIMIT": "1",
    }
    async with gateway_process(valkey, **{**said, **settings}) as running:
        yield GatewayGroup(running.url, f"http://127.0.0.1:{port}", running.running)
