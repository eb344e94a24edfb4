"""
CPU time of the audio path of a gateway alone: frames of N two-channel calls through `Channel` and `VadBatcher`.

`python bench/channel_run.py TREE --calls 20 80`.  The shipped call, or digital silence; no sockets, no Redis.  The
clock of the event loop jumps from timer to timer, so the run takes only the time that it measures, and other work
on the machine changes little.  Calls start in different ticks, each somewhere else in the recording.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import cast

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.jumping_loop import JumpingLoop

sys.path.insert(0, sys.argv[1])

import numpy as np

from cli.recording import read_recording
from protocol.audio import Pcm
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.crosstalk import CrosstalkDetector
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.vad_batcher import VadBatcher
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.call.call import Call
from streaming.session.calls.channel import Channel
from streaming.session.calls.channel_origin import ChannelOrigin

try:
    from streaming.audio.compiled_endpointing import new_tracker
except ImportError:  # an older tree
    from streaming.audio.background_speech import BackgroundTracker

    new_tracker = BackgroundTracker

_FRAME = 160
_WARM_UP = 11 * 50
"""Frames before the measurement: line quality measures every block of the first ten seconds."""


class MeasuredLoop(JumpingLoop):
    """It counts CPU time too."""

    def __init__(self) -> None:
        self.busy: dict[int, float] = {}
        """CPU seconds of each 20 ms by the loop's clock."""

        super().__init__()

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()  # type: ignore[misc]  # of asyncio.BaseEventLoop, not public
        tick = round(self.now / 0.02)
        self.busy[tick] = self.busy.get(tick, 0.0) + time.thread_time() - began


class _Sink:
    """Takes what a channel tells its call, and drops it."""

    class config:  # noqa: N801 - an attribute of `Call`
        paused = False

    holds_keys = False

    def sound(self, *_: object) -> None: ...
    def warn(self, *_: object) -> None: ...
    def press(self, *_: object) -> None: ...


def _call(batcher: VadBatcher, loop: MeasuredLoop) -> list[Channel]:
    quality, crosstalk, call = QualityMonitor(2), CrosstalkDetector(), cast("Call", _Sink())
    channels = []
    for number in range(2):
        segmenter = ChannelSegmenter(background=new_tracker())
        origin = ChannelOrigin()
        channels.append(
            Channel(number, 8_000, segmenter, batcher, call, origin, quality, crosstalk, loop.time)
        )
    crosstalk.watch(channels)
    if hasattr(channels[0], "companions"):
        for channel in channels:
            channel.companions = channels
    return channels


async def measure(recording: list[Pcm], calls: int, frames: int) -> tuple[float, list[float]]:
    """Return the CPU seconds of a stereo frame, and those of each 20 ms of all calls, rising."""
    weights, loop = silero_weights(), cast("MeasuredLoop", asyncio.get_running_loop())
    assert weights is not None, "Silero's weights are not installed"
    batcher = VadBatcher(Silero(weights))
    playing = [_call(batcher, loop) for _ in range(calls)]
    length = min(map(len, recording)) // _FRAME
    offsets = np.random.default_rng(1).integers(length, size=calls).tolist()
    began = 0.0
    for turn in range(_WARM_UP + frames):
        began = time.process_time() if turn == _WARM_UP else began
        for number, (channels, offset) in enumerate(zip(playing, offsets, strict=True)):
            if turn < number % 7:
                continue
            at = (turn + offset) % length * _FRAME
            for channel, pcm in zip(channels, recording, strict=True):
                channel.receive(None, pcm[at : at + _FRAME])
                if turn % 50 == 0:
                    channel.keep_from(max(0, channel.told - 8_000))
        await asyncio.sleep(0.02)
    busy = sorted(spent for tick, spent in loop.busy.items() if tick > _WARM_UP)
    return (time.process_time() - began) / frames / calls, busy


def main() -> None:
    """Print the least of several measurements for each number of calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path, help="the checkout whose audio path runs")
    parser.add_argument("--calls", type=int, nargs="+", default=[20, 80])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--pure", action="store_true", help="without the compiled step")
    options = parser.parse_args()
    if options.pure:
        from streaming.audio import compiled  # noqa: PLC0415 - absent from older trees

        compiled.use(wanted=False)
    demo = Path(__file__).resolve().parents[1] / "cli" / "demo" / "call.wav"
    speech = [np.asarray(pcm, dtype=np.int16) for pcm in read_recording(demo).channels]
    for name, recording in ("speech", speech), ("silence", [np.zeros_like(x) for x in speech]):
        for calls in options.calls:
            with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
                found = [
                    runner.run(measure(recording, calls, round(50 * options.seconds)))
                    for _ in range(options.repeat)
                ]
            cost, busy = min(found)
            ticks = ", ".join(
                f"{1e3 * busy[len(busy) * share // 100]:.1f}" for share in (50, 90, 99)
            )
            print(f"{name}, {calls} calls: {1e6 * cost:.0f} us a stereo frame; ", end="")
            print(f"ms in each 20 ms, p50, p90, p99: {ticks}", flush=True)


if __name__ == "__main__":
    main()
