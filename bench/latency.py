"""
Latency of finals: the time from the end of speech to the final, and the part of it outside the engine.

Two runs, both through a real gateway process, Valkey and sockets, in real time.  Times refer to the timeline of the
audio, never to the moment when a frame was really sent:

1. `--calls` simultaneous calls with an engine that takes no time: the latency of Trunkline itself.
2. One call with the real CPU engine: the latency that a user sees.

The hang-over (the silence that ends a segment) is intended: it is printed, but not counted.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog
from websockets.asyncio.client import connect as connect_socket

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import percentile, recipe
from broker.connection import connect
from broker.redis_keys import Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.settings import RedisSettings
from runtime.local_stack import ChildProcess, Stack, embedded_valkey
from runtime.process import run_loop
from streaming.audio.endpointing import Endpointing
from workers.engines import registry
from workers.engines.base import Capabilities, Engine, Hypothesis, RecognisedWord, Utterance
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

_PROMPTS = Path(__file__).parent.parent / "tests" / "speech" / "prompts"
_ENDPOINTING = Endpointing()


class Free:
    """An engine that takes no time."""

    capabilities = Capabilities("free", frozenset({"en"}), max_batch=64)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return one word for each utterance."""
        return [Hypothesis((RecognisedWord("word"),)) for _ in batch]


@dataclass(slots=True)
class Lags:
    """Latencies in milliseconds, one for each event."""

    final: list[float] = field(default_factory=list)
    """From the end of the segment (its last voiced tick plus the hang-over) to the arrival of the final."""

    not_engine: list[float] = field(default_factory=list)
    """The same without the time in the engine and the time waiting for it."""

    partial: list[float] = field(default_factory=list)
    """From the last sample that a partial covers to the arrival of the partial."""


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[str]:
    """Run a gateway as a process and a worker in this process.  Yields the gateway's URL."""
    async with embedded_valkey() as redis_url:
        redis = connect(RedisSettings(url=redis_url))
        partitions = [Partition(0)]
        worker = Worker(WorkQueue(redis, partitions, "bench"), partitions, engine, WorkerSettings())
        working = asyncio.ensure_future(worker.run())
        stack = Stack(Path("/dev/null"))
        try:
            port = await stack.start(
                ChildProcess("gateway", ("--port", "0"), {"TRUNKLINE_REDIS_URL": redis_url})
            )
            yield f"ws://127.0.0.1:{port}/v1/calls"
        finally:
            await stack.stop()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await redis.aclose()


async def one_call(url: str, audio: bytes, delay: float, lags: Lags) -> None:
    """Play `audio` (mu-law, 8 kHz) after `delay` seconds, and record the latencies."""
    loop = asyncio.get_running_loop()
    async with connect_socket(url, compression=None) as socket:
        await asyncio.sleep(delay)
        await socket.send('{"type":"start"}')
        began = loop.time()

        async def listen() -> None:
            async for message in socket:
                _take(json.loads(message), (loop.time() - began) * 1_000, lags)

        listening = asyncio.ensure_future(listen())
        for number, start in enumerate(range(0, len(audio), 160)):
            await asyncio.sleep(began + (number + 1) * 0.02 - loop.time())
            await socket.send(audio[start : start + 160])
        await socket.send('{"type":"stop"}')
        await listening


def _take(event: dict[str, object], now_ms: float, lags: Lags) -> None:
    match event:
        case {
            "type": "segment.final",
            "end_ms": int(end),
            "latency": {"queue_ms": int(queue), "engine_ms": int(busy)},
        }:
            decided = end + _ENDPOINTING.hangover_ms - _ENDPOINTING.afterroll_ms
            lags.final.append(now_ms - decided)
            lags.not_engine.append(now_ms - decided - busy - max(0, queue - 5))
        case {"type": "segment.partial", "end_ms": int(end)}:
            lags.partial.append(now_ms - end)
        case _:
            pass


async def measure(engine: Engine, calls: int, seconds: float) -> Lags:
    """Run `calls` simultaneous calls, each with the prompts in another order, started at random within a second."""
    random = np.random.default_rng(7)
    prompts = [read_recording(path).channels[0] for path in sorted(_PROMPTS.glob("*.wav"))]
    lags = Lags()
    async with running(engine) as url, asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            order = random.permutation(len(prompts))
            parts = [part for one in order for part in (prompts[one], np.zeros(9_600, np.int16))]
            audio = encode(np.concatenate(parts)[: int(seconds * 8_000)], Encoding.MULAW)
            tasks.create_task(one_call(url, audio, float(random.random()), lags))
    return lags


def report(title: str, lags: Lags) -> None:
    """Print a table."""
    print(f"\n{title}")
    for name, values in (
        ("end of speech (hang-over over) to final", lags.final),
        ("  of that, not the engine's", lags.not_engine),
        ("partial behind the last sample it covers", lags.partial),
    ):
        p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
        print(f"  {name:42} p50 {p50:6.0f} ms   p95 {p95:6.0f} ms   n {len(values)}")


def main() -> None:
    """Run both measurements and print."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40.0)
    options = parser.parse_args()
    print(recipe())
    print(
        f"hang-over {_ENDPOINTING.hangover_ms} ms, not counted; a segment keeps {_ENDPOINTING.afterroll_ms} ms"
        " of it behind its last voiced tick"
    )
    free = run_loop(measure(Free(), options.calls, options.seconds))
    report(f"{options.calls} calls, an engine that costs nothing", free)
    real = run_loop(measure(registry.load(registry.DEFAULT), 1, options.seconds))
    report("1 call, the CPU engine (Moonshine)", real)


if __name__ == "__main__":
    main()
