"""
Time from `PUT /v1/calls/{id}/keywords` to its answer with the revision, of a call in progress.

    python bench/keyword_updates.py --calls 10

Real processes of gateway and API, Valkey, sockets; a store in SQLite.  Live calls send audio in real time
meanwhile, and the keywords of one of them are replaced again and again.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import httpx
import structlog
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.live_calls import Lags, one_call
from bench.recipe import percentile, recipe
from bench.recordings import Timed, running, speech
from bench.rig import RigProcess, free_ports, listens
from protocol.audio import Encoding, encode
from runtime.process import run_loop

_NAME = "updated"
_TERMS = [f"Produkt {number}" for number in range(100)]


async def measure(options: argparse.Namespace, folder: Path) -> list[float]:
    """Return the seconds of each update."""
    audio = encode(speech(options.seconds, 1), Encoding.MULAW)
    async with running(Timed(0.02), folder) as site:
        (port,) = free_ports(1)
        environment = {"TRUNKLINE_REDIS_URL": site.redis_url}
        command = [sys.executable, "-m", "trunkline", "api", "--port", str(port)]
        command += ["--store", f"sqlite:///{folder / 'store.db'}"]
        api = RigProcess("api", command, folder / "api.log", environment)
        await api.start()
        try:
            await listens(port)
            async with asyncio.TaskGroup() as tasks:
                for number in range(options.calls - 1):
                    tasks.create_task(one_call(site.calls, audio, number / options.calls, Lags()))
                updates = tasks.create_task(_updates(site.calls, port, audio, options.updates))
            return updates.result()
        finally:
            await api.kill()


async def _updates(url: str, port: int, audio: bytes, count: int) -> list[float]:
    """Play a call, and replace its keywords meanwhile."""
    times = []
    async with (
        connect_socket(url, compression=None) as socket,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        await socket.send(f'{{"type":"start","call_id":"{_NAME}"}}')
        await socket.recv()
        playing = asyncio.create_task(_play(socket, audio))
        for number in range(count):
            began = time.perf_counter()
            terms = {"keywords": [*_TERMS, f"Nummer {number}"]}
            answer = await client.put(f"/v1/calls/{_NAME}/keywords", json=terms)
            times.append(time.perf_counter() - began)
            answer.raise_for_status()
            assert answer.json()["keywords_rev"] == number + 1
            await asyncio.sleep(0.1)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await socket.send('{"type":"stop"}')
    return times


async def _play(socket: ClientConnection, audio: bytes) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, start in enumerate(range(0, len(audio), 160)):
        await asyncio.sleep(began + (number + 1) * 0.02 - loop.time())
        await socket.send(audio[start : start + 160])


def main() -> None:
    """Measure, print."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10, help="live calls")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each live call")
    options = parser.parse_args()
    print(recipe())
    with tempfile.TemporaryDirectory() as folder:
        times = [1_000 * one for one in run_loop(measure(options, Path(folder)))]
    print(
        f"{len(times)} updates of 101 keywords, {options.calls} live calls:"
        f" p50 {percentile(times, 0.5):.0f} ms, p95 {percentile(times, 0.95):.0f} ms, longest {max(times):.0f} ms"
    )


if __name__ == "__main__":
    main()
