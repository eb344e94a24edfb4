"""The status port for monitoring, over real sockets."""

import asyncio
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from support.valkey import ValkeyServer
from support.waiting import PATIENCE, until

from broker.http.ports import PortError
from broker.redis_keys import Partition
from runtime.health import Health
from runtime.metrics import LoopMeter, QueueMeter
from runtime.status import listening, registry, status, watched


async def get(port: int, path: str) -> tuple[int, str, str]:
    """Status, content type and text."""

    def ask() -> tuple[int, str, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}{path}", timeout=PATIENCE
            ) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers["Content-Type"], refused.read().decode()

    return await asyncio.to_thread(ask)


@asynccontextmanager
async def telling(redis: Redis, health: Health) -> AsyncIterator[int]:
    metrics = CollectorRegistry()
    async with (
        watched(redis, health, QueueMeter(metrics, [Partition(0)]), LoopMeter(metrics)),
        listening("127.0.0.1", 0, health, metrics) as port,
    ):
        yield port


async def answered(port: int, path: str, status: int) -> str:
    """Ask until the answer has this status; its text."""

    async def text() -> str:
        found, _, body = await get(port, path)
        return body if found == status else ""

    return await until(text)


async def test_readiness_follows_redis_and_life_does_not(
    redis: Redis, valkey: ValkeyServer
) -> None:
    health = Health()
    health.at_work()
    async with telling(redis, health) as port:
        ready = await answered(port, "/readyz", 200)
        valkey.kill()
        hindered = await answered(port, "/readyz", 503)
        alive = await get(port, "/livez")
        down = await get(port, "/metrics")
        valkey.start()
        ready_again = await answered(port, "/readyz", 200)

    assert (ready, hindered, ready_again) == ("ready\n", "Redis does not answer\n", "ready\n")
    assert alive[0] == 200
    assert "trunkline_redis_up 0.0" in down[2]


async def test_metrics_are_readable_by_prometheus() -> None:
    metrics = registry()
    Counter("trunkline_examples", "Examples", registry=metrics).inc(3)

    async with listening("127.0.0.1", 0, Health(), metrics) as port:
        code, kind, text = await get(port, "/metrics")

    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert code == 200
    assert kind.startswith("text/plain; version=")
    assert families["trunkline_examples"].samples[0].value == 3
    assert "process_resident_memory_bytes" in families


async def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        text = f"port {port} on 127.0.0.1 is in use by .*, process {os.getpid()}: .*set metrics_port to"
        with pytest.raises(PortError, match=text):
            async with status("127.0.0.1", port, Health(), registry()):
                pass


async def test_nothing_listens_unless_a_port_is_set() -> None:
    async with status("127.0.0.1", 0, Health(), registry()) as port:
        assert port == 0


async def test_a_websocket_request_gets_the_same_answer() -> None:
    async with listening("127.0.0.1", 0, Health(), registry()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        line = await reader.readline()
        writer.close()

    assert line.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("header", "status_line"),
    [
        (b"Host: localhost:9464", b"HTTP/1.1 200"),
        (b"Host: rebind.evil.example", b"HTTP/1.1 403"),
        (b"Host: localhost\r\nOrigin: http://evil.example", b"HTTP/1.1 403"),
        (b"Host: localhost\r\nHost: localhost", b"HTTP/1.1 400"),
    ],
)
async def test_pages_of_other_sites_cannot_read_metrics(header: bytes, status_line: bytes) -> None:
    async with listening("127.0.0.1", 0, Health(), registry()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n" + header + b"\r\n\r\n")
        line = await reader.readline()
        writer.close()

    assert line.startswith(status_line)


async def test_a_port_for_other_machines_is_read_under_any_name() -> None:
    async with listening("0.0.0.0", 0, Health(), registry()) as port:  # as in a container
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: gateway:9464\r\n\r\n")
        line = await reader.readline()
        writer.close()

    assert line.startswith(b"HTTP/1.1 200")


async def test_what_waits_in_the_queue_is_a_figure(redis: Redis) -> None:
    metrics, partitions = CollectorRegistry(), [Partition(0), Partition(1)]
    for partition, length in zip(partitions, (2, 3), strict=True):
        for _ in range(length):
            await redis.xadd(partition.finals, {"j": "x"}, id="10000-*")

    await QueueMeter(metrics, partitions, now=lambda: 12.5).poll(redis)

    assert metrics.get_sample_value("trunkline_queue_depth", {"lane": "finals"}) == 5
    assert metrics.get_sample_value("trunkline_queue_age_seconds", {"lane": "finals"}) == 2.5
    assert metrics.get_sample_value("trunkline_queue_depth", {"lane": "dead"}) == 0
    assert metrics.get_sample_value("trunkline_redis_up") == 1


async def test_a_blocked_event_loop_is_measured() -> None:
    metrics = CollectorRegistry()
    meter, reported = LoopMeter(metrics), list[float]()
    meter.report_to(reported.append)
    looking = asyncio.ensure_future(meter.run())
    await asyncio.sleep(0)  # it asks for its next turn

    time.sleep(0.6)  # noqa: ASYNC251  # the fault
    for _ in range(5):
        await asyncio.sleep(0)  # it gets it
    looking.cancel()

    assert metrics.get_sample_value("trunkline_loop_lag_seconds_count") == 1
    assert len(reported) == 1
    assert reported[0] > 0.5
    assert metrics.get_sample_value("trunkline_loop_lag_seconds_bucket", {"le": "0.25"}) == 0
    assert (metrics.get_sample_value("trunkline_loop_longest_step_seconds") or 0) > 0.5
    assert metrics.get_sample_value("trunkline_loop_longest_step_seconds") == 0, "told once"
