"""
Soak test: a call of hours, played in minutes; checks that its end is as good as its beginning.

The call clock counts samples, so a long call can be sent faster than real time.  The call has spoken numbers that
can be recognised from the samples (bench/spoken.py), with silence of minutes between them, and 100 keywords.
Gateway, worker and recorder are real processes, whose memory is measured from outside.

The test checks the times of words (to 1 ms, from the first to the last hour), the texts and the accounts; memory
must not grow by more than `--allowance` MB from the first quarter to the last.  Latency is printed, not
checked.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import percentile, recipe
from bench.rig import Rig, RigProcess, free_ports, rig, running
from bench.spoken import BASE, SYLLABLE, speak, syllables
from protocol.audio import Encoding, encode
from runtime.process import run_loop

_FRAME = 800
"""Samples in a message: 100 ms at 8 kHz."""

_DIGITS = 4
_KEYWORDS = [f"Produkt {first}{second}" for first in "ABCDEFGHIJ" for second in "KLMNOPQRST"]


@dataclass(slots=True)
class Findings:
    """The observations of a run."""

    spoken: list[tuple[int, str]] = field(default_factory=list)
    """Every digit, with the sample at which it begins."""

    heard: list[tuple[int, str]] = field(default_factory=list)
    """Every word of every final, with the millisecond at which it begins."""

    sent: list[float] = field(default_factory=list)
    """Time at which each second of the call was sent, in seconds of the event loop's clock."""

    latencies: list[tuple[int, float]] = field(default_factory=list)
    """End of a segment in ms, and seconds from sending its last sample to the arrival of its final."""

    memory: dict[str, list[float]] = field(default_factory=dict)
    """Resident memory of each process in MB, at equal intervals."""

    ended: dict[str, object] = field(default_factory=dict)


def audio(hours: float, findings: Findings, dice: random.Random) -> Iterator[bytes]:
    """The messages of the call: a number every few seconds, and a silence of many minutes about every half hour."""
    said = syllables()
    total, position = int(hours * 3_600 * 8_000), 0
    while position < total:
        pause = 8_000 * (dice.uniform(600, 900) if dice.random() < 0.005 else dice.uniform(1, 12))
        number = "".join(str(dice.randrange(BASE - 1)) for _ in range(_DIGITS))
        start = position + int(pause) // _FRAME * _FRAME
        findings.spoken += [(start + SYLLABLE * n, digit) for n, digit in enumerate(number)]
        yield from (bytes([0xFF]) * _FRAME for _ in range((start - position) // _FRAME))
        speech = encode(speak(number, said), Encoding.MULAW)
        yield from (speech[at : at + _FRAME] for at in range(0, len(speech), _FRAME))
        position = start + len(speech)
    yield from (bytes([0xFF]) * _FRAME for _ in range(20))


async def call(url: str, hours: float, pace: float, seed: int, it: Rig) -> Findings:
    """Play the call and record the observations."""
    findings = Findings(memory={process.name: [] for process in _watched(it)})
    loop = asyncio.get_running_loop()
    async with connect(f"{url}/v1/calls", compression=None) as socket:
        await socket.send(json.dumps({"type": "start", "call_id": "soak", "keywords": _KEYWORDS}))
        listening = asyncio.ensure_future(_listen(socket, findings))
        began, every = loop.time(), int(hours * 36_000 / 40)
        for number, message in enumerate(audio(hours, findings, random.Random(seed))):
            await asyncio.sleep(began + number * 0.1 / pace - loop.time())
            await socket.send(message)
            if number % 10 == 9:
                findings.sent.append(loop.time())
            if number % every == every - 1:
                for process in _watched(it):
                    findings.memory[process.name].append(_megabytes(process.running))
        await socket.send('{"type":"stop"}')
        await listening
    return findings


def _watched(it: Rig) -> list[RigProcess]:
    return [it.gateways[0], it.workers[0], it.recorder, it.valkey]


def _megabytes(process: asyncio.subprocess.Process | None) -> float:
    """Resident memory of a process in MB (VmRSS of Linux)."""
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1_024


async def _listen(socket: ClientConnection, findings: Findings) -> None:
    loop = asyncio.get_running_loop()
    async for message in socket:
        event = json.loads(message)
        if event["type"] == "segment.final":
            findings.heard += [(word["s"], word["w"]) for word in event["words"]]
            second = min(event["end_ms"] // 1_000, len(findings.sent) - 1)
            findings.latencies.append((event["end_ms"], loop.time() - findings.sent[second]))
        elif event["type"] == "call.ended":
            findings.ended = event


def report(findings: Findings, hours: float, allowance: float) -> bool:
    """Print the observations.  Returns whether they are right."""
    off = [
        abs(at - position / 8)
        for (position, digit), (at, word) in zip(findings.spoken, findings.heard, strict=False)
        if digit == word
    ]
    right = len(off) == len(findings.spoken) == len(findings.heard)
    account = findings.ended["channels"][0]  # type: ignore[index]
    adds_up = sum(account.values()) == findings.ended["duration_ms"]
    print(
        f"{hours:g} h of call, {len(findings.spoken)} digits spoken, {len(findings.heard)} written"
    )
    print(f"  digits right and in order   {'yes' if right else 'NO'}")
    print(f"  times of words              at most {max(off, default=9e9):.2f} ms off")
    print(f"  account                     {'adds up' if adds_up else 'DOES NOT ADD UP'}: {account}")
    quarter = hours * 900_000
    for name, part in (("first", 0), ("last", 3)):
        waits = [1_000 * wait for end, wait in findings.latencies if end // quarter == part]
        p50, p95 = percentile(waits, 0.5), percentile(waits, 0.95)
        print(
            f"  {name:5} quarter: finals behind the last sample p50 {p50:.0f} ms, p95 {p95:.0f} ms"
        )
    grown = {name: np.mean(mb[-10:]) - np.mean(mb[:10]) for name, mb in findings.memory.items()}
    for name, values in findings.memory.items():
        print(
            f"  memory of {name:14} {values[0]:6.1f} MB ... {values[-1]:6.1f} MB ({grown[name]:+.1f})"
        )
    flat = all(growth <= allowance for growth in grown.values())
    return right and adds_up and flat and max(off, default=9e9) <= 1.0


async def soak(options: argparse.Namespace) -> bool:
    """Run the test.  Returns whether it passed."""
    with tempfile.TemporaryDirectory(prefix="trunkline-soak-") as folder:
        it = rig(Path(folder), free_ports(1), durable=False)
        del it.workers[1:]
        longest = str(options.hours * 3_600 + 600)
        it.gateways[0].environment["TRUNKLINE_GATEWAY_MAX_CALL_SECONDS"] = longest
        async with running(it):
            began = time.monotonic()
            findings = await call(it.urls[0], options.hours, options.pace, options.seed, it)
            print(f"{time.monotonic() - began:.0f} s, {options.pace:g} times real time")
            return report(findings, options.hours, options.allowance)


def main() -> int:
    """Run and print.  Returns 0 if the test passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--pace", type=float, default=60.0, help="times real time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--allowance", type=float, default=8.0, help="MB that a process may grow by"
    )
    options = parser.parse_args()
    print(recipe())
    return 0 if run_loop(soak(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
