"""
Many listeners of one call, half over WebSockets, half by server-sent events: cost, refusals, the call itself.

The call has spoken numbers that can be recognised from the samples (bench/spoken.py).  Gateway, worker and recorder
are real processes.  The gateway accepts `--listeners`; `--more` try on top of these and must be refused.  Every
listener must receive the end of the call, and every digit must be right.
"""

import argparse
import asyncio
import contextlib
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import percentile, recipe
from bench.rig import Rig, RigProcess, free_ports, rig, running
from bench.soak import _megabytes
from bench.spoken import BASE, speak, syllables
from protocol.audio import Encoding, encode
from runtime.process import run_loop

_FRAME = 160
_AT_ONCE = 200
"""Connections that are opened at the same time."""

_WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@dataclass(slots=True)
class Listener:
    """One raw connection, and what became of it."""

    status: int = 0
    ended_at: float = 0.0
    """When the end of the call came, by the clock of the event loop; 0: it did not."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, port: int, headers: str, began: "asyncio.Semaphore") -> None:
        """Read until the connection is closed or the call has ended."""
        async with began:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"GET /v1/calls/c1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"
            writer.write(head.encode())
            self.status = int((await reader.readline()).split()[1])
        self.opened.set()
        frames = (
            ClientProtocol(parse_uri("ws://127.0.0.1"), state=State.OPEN)
            if self.status == 101
            else None
        )
        if frames:
            await reader.readuntil(b"\r\n\r\n")
        last = b""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                last = last[-16:] + data
                if b'"call.ended"' in last:
                    self.ended_at = asyncio.get_running_loop().time()
                    break
                if frames:  # answers the pings
                    frames.receive_data(data)
                    frames.events_received()
                    writer.writelines(frames.data_to_send())
        writer.close()


async def call(url: str, numbers: list[str]) -> tuple[str, list[float], float]:
    """Say the numbers in real time.  Returns the words heard, seconds to each final, and when the call ended."""
    loop, said = asyncio.get_running_loop(), syllables()
    pause = bytes([0xFF]) * 8_000
    audio = b"".join(encode(speak(one, said), Encoding.MULAW) + pause for one in numbers)
    words, waits, ended = [], [], 0.0
    async with connect(f"{url}/v1/calls", compression=None, ping_timeout=None) as socket:
        await socket.send(json.dumps({"type": "start", "call_id": "c1", "channels": 1}))
        began = loop.time()

        async def send() -> None:
            for number, at in enumerate(range(0, len(audio), _FRAME)):
                await asyncio.sleep(began + number * 0.02 - loop.time())
                await socket.send(audio[at : at + _FRAME])
            await socket.send('{"type":"stop"}')

        sending = asyncio.ensure_future(send())
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "segment.final":
                words += [word["w"] for word in event["words"]]
                waits.append(loop.time() - began - event["end_ms"] / 1_000)
            elif event["type"] == "call.ended":
                ended = loop.time()
        await sending
    return "".join(words), waits, ended


def _cpu_seconds(process: RigProcess) -> float:
    """CPU time of a process, user and system."""
    assert process.running is not None
    fields = Path(f"/proc/{process.running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def measure(it: Rig, http_port: int, options: argparse.Namespace) -> bool:
    """Open the listeners, play the call, print.  Returns whether all was right."""
    gateway, began = it.gateways[0], asyncio.Semaphore(_AT_ONCE)
    alone = _megabytes(gateway.running), _cpu_seconds(gateway)
    started = time.monotonic()
    endpoints = ((it.ports[0], _WEBSOCKET), (http_port, ""))
    listeners, extra = (
        [Listener() for _ in range(count)] for count in (options.listeners, options.more)
    )
    tasks = [
        asyncio.ensure_future(one.listen(*endpoints[number % 2], began))
        for number, one in enumerate(listeners)
    ]
    await asyncio.gather(*(one.opened.wait() for one in listeners))
    opening = time.monotonic() - started
    print(f"  opened in                   {opening:.1f} s", flush=True)
    await asyncio.gather(*(one.listen(*endpoints[n % 2], began) for n, one in enumerate(extra)))
    idle = _megabytes(gateway.running), _cpu_seconds(gateway)
    await asyncio.sleep(10)
    at_rest = (_cpu_seconds(gateway) - idle[1]) / 10
    dice = random.Random(options.seed)
    numbers = ["".join(str(dice.randrange(BASE - 1)) for _ in range(4)) for _ in range(12)]
    words, waits, ended = await call(it.urls[0], numbers)
    print(f"  the call had ended          {ended > 0}", flush=True)
    async with asyncio.timeout(300):
        await asyncio.gather(*tasks)
    statuses = Counter(one.status for one in listeners)
    refused = Counter(one.status for one in extra)
    late = [one.ended_at - ended for one in listeners if one.ended_at]
    peak = _megabytes(gateway.running)
    print(f"{options.listeners} listeners of one call: statuses {dict(statuses)}")
    print(f"  further listeners           {dict(refused)}")
    print(f"  CPU of opening them         {idle[1] - alone[1]:.1f} s")
    print(f"  memory of the gateway       {alone[0]:.0f} MB ... {idle[0]:.0f} MB ... {peak:.0f} MB")
    print(f"  CPU while nothing happens   {100 * at_rest:.1f} % of a core")
    print(
        f"  finals behind the speech    p50 {percentile(waits, 0.5):.2f} s, max {max(waits):.2f} s"
    )
    print(
        f"  end of the call received by {len(late)}, the last {max(late, default=0):.2f} s after the bridge"
    )
    right = words == "".join(numbers)
    print(f"  digits of the call right    {'yes' if right else 'NO'}")
    return (
        right
        and len(late) == options.listeners
        and set(statuses) == {101, 200}
        and set(refused) == {503}
    )


async def run(options: argparse.Namespace) -> bool:
    """Run the processes and measure."""
    with tempfile.TemporaryDirectory(prefix="trunkline-listeners-") as folder:
        port, http_port = free_ports(2)
        it = rig(Path(folder), [port], durable=False, lost_seconds=45)
        del it.workers[1:]
        it.gateways[0].environment |= {
            "TRUNKLINE_GATEWAY_HTTP_PORT": str(http_port),
            "TRUNKLINE_GATEWAY_MAX_LISTENERS": str(options.listeners),
        }
        async with running(it):
            return await measure(it, http_port, options)


def main() -> int:
    """Run and print.  Returns 0 if all was right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=10_000)
    parser.add_argument("--more", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(recipe())
    return 0 if run_loop(run(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
