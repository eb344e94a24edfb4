"""
Recordings beside live calls: the latency of live finals while recordings are posted, and the memory of a long one.

    python bench/recordings.py              # live calls alone, and while twenty recordings are posted
    python bench/recordings.py --hours 3    # memory of a gateway while it transcribes one recording

Both use a real gateway process, Valkey, sockets, and an engine that takes `--engine-ms` for each batch.  The engine
takes one batch at a time, of at most eight segments, so that live calls and recordings compete for it.
"""

import argparse
import asyncio
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.live_calls import Lags, one_call
from bench.recipe import percentile, recipe
from bench.rig import RigProcess, free_ports, listens
from broker.connections.connection import connect
from broker.redis_keys import Partition
from cli.bench.servers.server_process import resident_mb
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey
from runtime.process import run_loop
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

_PROMPTS = Path(__file__).parent.parent / "tests" / "speech" / "prompts"
_PATH = "/v1/audio/transcriptions"


class Timed:
    """An engine that takes a fixed time for a batch."""

    capabilities = Capabilities("timed", frozenset({"en"}), max_batch=8)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return one word for each utterance."""
        time.sleep(self._seconds)
        return [Hypothesis((RecognisedWord("word"),)) for _ in batch]


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway process with its two ports."""

    gateway: RigProcess
    calls: str
    http: str
    redis_url: str

    @property
    def pid(self) -> int:
        """Process id of the gateway."""
        assert self.gateway.running is not None
        return self.gateway.running.pid


@contextlib.asynccontextmanager
async def running(engine: Timed, folder: Path) -> AsyncIterator[Site]:
    """Run a gateway as a process and a worker in this process."""
    ports = free_ports(2)
    async with embedded_valkey() as redis_url:
        redis = connect(RedisSettings(url=redis_url))
        partitions = [Partition(0)]
        worker = Worker(WorkQueue(redis, partitions, "bench"), partitions, engine, WorkerSettings())
        working = asyncio.ensure_future(worker.run())
        command = [sys.executable, "-m", "trunkline", "gateway"]
        command += ["--port", str(ports[0]), "--http-port", str(ports[1])]
        environment = {"TRUNKLINE_REDIS_URL": redis_url}
        gateway = RigProcess("gateway", command, folder / "gateway.log", environment)
        await gateway.start()
        try:
            await asyncio.gather(*map(listens, ports))
            base = f"ws://127.0.0.1:{ports[0]}/v1/calls"
            yield Site(gateway, base, f"http://127.0.0.1:{ports[1]}", redis_url)
        finally:
            await gateway.kill()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await redis.aclose()


def speech(seconds: float, seed: int) -> Pcm:
    """The prompts in some order, with pauses, repeated."""
    random = np.random.default_rng(seed)
    prompts = [read_recording(path).channels[0] for path in sorted(_PROMPTS.glob("*.wav"))]
    parts: list[Pcm] = []
    while sum(map(len, parts)) < seconds * 8_000:
        order = random.permutation(len(prompts))
        parts += [part for one in order for part in (prompts[one], np.zeros(9_600, np.int16))]
    return np.concatenate(parts)[: int(seconds * 8_000)]


def mp3(pieces: Iterator[Pcm]) -> bytes:
    """Encode audio at 8 kHz."""
    out, at = io.BytesIO(), 0
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=16_000, layout="mono")
        stream.bit_rate = 32_000
        resampler = av.AudioResampler("s16p", "mono", 16_000, frame_size=1_152)
        for pcm in pieces:
            frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 8_000, Fraction(1, 8_000), at
            at += len(pcm)
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return out.getvalue()


async def live_phase(site: Site, calls: int, seconds: float) -> Lags:
    """Play live calls in real time."""
    lags = Lags()
    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            audio = encode(speech(seconds, number), Encoding.MULAW)
            tasks.create_task(one_call(site.calls, audio, number / calls, lags))
    return lags


async def post(client: httpx.AsyncClient, file: bytes) -> None:
    """Post a recording, again while all slots are in use, as a client does."""
    while True:
        answer = await client.post(_PATH, files={"file": ("call.mp3", file)})
        if answer.status_code not in (429, 503):
            answer.raise_for_status()
            return
        await asyncio.sleep(float(answer.headers.get("retry-after", "1")))


async def beside_calls(options: argparse.Namespace, folder: Path) -> None:
    """Print the latency of live finals, alone and beside recordings."""
    file = mp3(iter([speech(options.minutes * 60, 99)]))
    async with running(Timed(options.engine_ms / 1_000), folder) as site:
        alone = await live_phase(site, options.calls, options.seconds)
        async with httpx.AsyncClient(base_url=site.http, timeout=3_600) as client:
            posting = [asyncio.create_task(post(client, file)) for _ in range(options.recordings)]
            beside = await live_phase(site, options.calls, options.seconds)
            done = sum(one.done() for one in posting)
            for one in posting:
                one.cancel()
            await asyncio.gather(*posting, return_exceptions=True)
    print(
        f"{options.calls} live calls; {options.recordings} recordings of {options.minutes:g} minutes posted"
        f" at once, {done} of them done when the live calls ended"
    )
    for name, lags in (("live calls alone", alone), ("beside the recordings", beside)):
        p50, p95 = percentile(lags.final, 0.5), percentile(lags.final, 0.95)
        print(f"  {name:24} final p50 {p50:5.0f} ms   p95 {p95:5.0f} ms   n {len(lags.final)}")


async def long_recording(options: argparse.Namespace, folder: Path) -> None:
    """Print the memory of the gateway over a long recording."""
    piece = speech(600, 5)
    file = mp3(iter([piece] * round(options.hours * 6)))
    print(f"one recording of {options.hours:g} hours, {len(file) / 1e6:.0f} MB of mp3")
    async with (
        running(Timed(options.engine_ms / 1_000), folder) as site,
        httpx.AsyncClient(base_url=site.http, timeout=600) as client,
    ):
        before, began = resident_mb(site.pid), time.monotonic()
        started = await client.post(
            _PATH, files={"file": ("call.mp3", file)}, data={"background": "true"}
        )
        started.raise_for_status()
        memory: list[tuple[float, float, float]] = []
        while True:
            job = (await client.get(started.headers["location"])).json()
            if job["status"] != "running":
                break
            memory.append((job["played_ms"] / 3.6e6, resident_mb(site.pid), _children(site.pid)))
            await asyncio.sleep(2)
    print(
        f"  {job['status']} after {time.monotonic() - began:.0f} s; gateway before: {before:.0f} MB"
    )
    for quarter in range(4):
        low, high = quarter * options.hours / 4, (quarter + 1) * options.hours / 4
        some = [one for one in memory if low <= one[0] < high]
        print(
            f"  to hour {high:4.2f}: gateway {max((one[1] for one in some), default=0):.0f} MB,"
            f" decoder {max((one[2] for one in some), default=0):.0f} MB at most"
        )


def _children(pid: int) -> float:
    """Resident memory in MB of the child processes."""
    found = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            found += sum(resident_mb(int(one)) for one in (task / "children").read_text().split())
    return found


def main() -> None:
    """Measure, print."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=40.0, help="length of each live call")
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0, help="length of each recording")
    parser.add_argument("--engine-ms", type=float, default=50.0, help="time of a batch")
    parser.add_argument("--hours", type=float, default=0.0, help="measure one long recording")
    options = parser.parse_args()
    print(recipe())
    with tempfile.TemporaryDirectory() as folder:
        measure = long_recording if options.hours else beside_calls
        run_loop(measure(options, Path(folder)))


if __name__ == "__main__":
    main()
