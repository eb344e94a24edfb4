"""
Memory of a call in the gateway, without sockets and Redis: two-channel calls through `Channel`, `Call`, `Ledger`.

`python bench/call_memory.py TREE --calls 20 60 --top 30`.  The shipped call in mu-law, or digital silence.  Writes
succeed at once, finals come 0.3 s after their segments end, and every call writes its checkpoint every two seconds.
The clock of the event loop jumps, so other work on the machine changes nothing.  For each call beyond the first
number of calls, it prints the bytes that malloc has given out and resident memory; with `--top`, also the bytes
that Python and numpy have allocated (tracemalloc), and the lines that allocate most.
"""

import argparse
import asyncio
import ctypes
import gc
import os
import sys
import tracemalloc
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import cast

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.jumping_loop import JumpingLoop

sys.path.insert(0, sys.argv[1])

import numpy as np

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from protocol.calls.call import CallConfig, Role
from protocol.events import SegmentId
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_tracker
from streaming.audio.crosstalk import CrosstalkDetector
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.vad_batcher import VadBatcher
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.call.call import Call
from streaming.call.identity import CallIdentity
from streaming.call.ledger import GiveUp, Ledger, QueueFinal
from streaming.session.calls.channel import Channel
from streaming.session.calls.channel_origin import ChannelOrigin
from streaming.settings import GatewaySettings

_FRAME = 160
_FINAL_AFTER = 15
"""Frames from the end of a segment to its final."""

_WRITE_EVERY, _CHECKPOINT_EVERY = 5, 100
_FINAL = b"x" * 500
"""A final as the gateway keeps it: its size is that of a sentence with word times."""


@dataclass
class PlayedCall:
    """A call with its channels, and the segments that wait for their finals."""

    call: Call
    channels: list[Channel]
    offset: int
    settling: list[tuple[int, SegmentId]] = field(default_factory=list)

    def write(self, turn: int) -> None:
        """Perform what is due, as a Redis that answers at once."""
        ledger = self.call.ledger
        for write in list(ledger.due()):
            ledger.wrote(write)
            if isinstance(write, QueueFinal | GiveUp):
                self.settling.append((turn + _FINAL_AFTER, write.segment))
        while self.settling and self.settling[0][0] <= turn:
            _, segment = self.settling.pop(0)
            ledger.apply(str(segment), bytes(_FINAL))
            ledger.settle(segment)
        for event in ledger.pending:
            ledger.apply(event.name, event.payload)

    def sign(self) -> None:
        """Write a checkpoint, as `LiveCall` does."""
        for number, channel in enumerate(self.channels):
            safe = self.call.ledger.safe(number)
            channel.keep_from(channel.told if safe is None else min(safe, channel.told))


def _begin(
    settings: GatewaySettings, batcher: VadBatcher, loop: JumpingLoop, offset: int
) -> PlayedCall:
    identity = CallIdentity(f"call-{offset}", "log", (Role.AGENT, Role.CUSTOMER), "native", 0.0)
    piece = 16_000 * settings.audio_every_ms // 1_000
    call = Call(identity, CallConfig(), Ledger(piece), settings.partial_every_ms, loop.time)
    call.start()
    quality, crosstalk = QualityMonitor(2), CrosstalkDetector()
    channels = [
        Channel(
            number,
            8_000,
            ChannelSegmenter(settings.endpointing, background=new_tracker()),
            batcher,
            call,
            ChannelOrigin(),
            quality,
            crosstalk,
            loop.time,
        )
        for number in range(2)
    ]
    crosstalk.watch(channels)
    for channel in channels:
        channel.companions = channels
    return PlayedCall(call, channels, offset)


async def play(recording: list[Pcm], calls: int, frames: int) -> list[PlayedCall]:
    """Play calls and return them in the state after the last frame."""
    weights, loop = silero_weights(), cast("JumpingLoop", asyncio.get_running_loop())
    assert weights is not None, "Silero's weights are not installed"
    batcher, settings = VadBatcher(Silero(weights)), GatewaySettings()
    length = min(map(len, recording)) // _FRAME
    offsets = np.random.default_rng(1).integers(length, size=calls).tolist()
    playing = [_begin(settings, batcher, loop, offset) for offset in offsets]
    for turn in range(frames):
        for number, one in enumerate(playing):
            at = (turn + one.offset) % length * _FRAME
            for channel, pcm in zip(one.channels, recording, strict=True):
                channel.receive(None, pcm[at : at + _FRAME].copy())
            if (turn + number) % _WRITE_EVERY == 0:
                one.write(turn)
            if (turn + number) % _CHECKPOINT_EVERY == 0:
                one.sign()
        await asyncio.sleep(0.02)
    return playing


class _MallInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "used", "free", "top"),
        )
    ]


def _malloced() -> float:
    """Return the bytes that glibc's malloc has given out, and has not got back."""
    info = ctypes.CDLL(None).mallinfo2
    info.restype = _MallInfo
    found = info()
    return float(found.used + found.hblkhd)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _measure(recording: list[Pcm], calls: int, frames: int) -> tuple[float, ...]:
    """Return the bytes traced, given out by malloc and resident while that many calls are in progress."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        playing = runner.run(play(recording, calls, frames))
        gc.collect()
        found = float(tracemalloc.get_traced_memory()[0]), _malloced(), _resident()
        if tracemalloc.is_tracing():
            _Top.latest = tracemalloc.take_snapshot()
        del playing
    return found


class _Top:
    latest: tracemalloc.Snapshot | None = None


def _print_top(count: int, calls: int) -> None:
    assert _Top.latest is not None
    for one in _Top.latest.statistics("lineno")[:count]:
        print(f"{one.size / calls / 1e3:8.2f} KB {one.count / calls:7.1f}  {one.traceback[0]}")


def _in_child(recording: list[Pcm], calls: int, frames: int, top: int) -> tuple[float, ...]:
    """Measure in a process of its own: what malloc does not give back would distort the next measurement."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        if top:
            tracemalloc.start()
        found = _measure(recording, calls, frames)
        if top:
            _print_top(top, calls)
        sys.stdout.flush()
        os.write(writing, repr(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(child, 0)
    return tuple(map(float, text.strip("()").split(",")))


def main() -> None:
    """Print the memory of a call for each kind of audio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path, help="the checkout whose gateway is measured")
    parser.add_argument("--calls", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--audio", nargs="+", default=["speech", "silence"])
    parser.add_argument("--top", type=int, default=0)
    options = parser.parse_args()
    demo = Path(__file__).resolve().parents[1] / "cli" / "demo" / "call.wav"
    heard = [np.asarray(pcm, dtype=np.int16) for pcm in read_recording(demo).channels]
    speech = [decode(encode(pcm, Encoding.MULAW), Encoding.MULAW) for pcm in heard]
    played = {"speech": speech, "silence": [np.zeros_like(pcm) for pcm in speech]}
    frames = round(50 * options.seconds)
    for audio in options.audio:
        _in_child(played[audio], 2, 300, 0)
        found = [_in_child(played[audio], calls, frames, options.top) for calls in options.calls]
        for (few, before), (many, after) in pairwise(zip(options.calls, found, strict=True)):
            traced, malloced, resident = (
                (b - a) / (many - few) / 1e3 for a, b in zip(before, after, strict=True)
            )
            print(
                f"{audio}, {few} to {many} calls: {traced:.0f} KB a call traced,"
                f" {malloced:.0f} KB by malloc, {resident:.0f} KB resident",
                flush=True,
            )


if __name__ == "__main__":
    main()
