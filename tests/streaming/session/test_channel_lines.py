"""Channels that the compiled step runs tell their calls what channels of the pure path tell, at the same time."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.silero import new_silero

from bench.jumping_loop import JumpingLoop
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.bridge_events import CodedAudio
from protocol.events import Account
from streaming.audio import compiled
from streaming.audio.channel_line import LineFrames
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_tracker
from streaming.audio.crosstalk import CrosstalkDetector
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.run_plan import RunPlan
from streaming.audio.sound_events import SegmentGrew
from streaming.audio.vad_batcher import VadBatcher
from streaming.session.calls.channel import Channel
from streaming.session.calls.channel_origin import ChannelOrigin

pytestmark = pytest.mark.skipif(
    compiled.installed() is None, reason="trunkline-native is not built: make native"
)

CALL = Path(__file__).parents[3] / "cli" / "demo" / "call.wav"
FRAME, FRAMES = 160, 900
LAWS = [Encoding.MULAW, Encoding.ALAW, Encoding.L16]


silero = cache(new_silero)


@cache
def recording() -> list[Pcm]:
    return [np.asarray(pcm, dtype=np.int16) for pcm in read_recording(CALL).channels]


@dataclass
class Ears:
    """Notes what channels tell their call, in the order of each channel, with the time."""

    clock: Any
    told: dict[int, list[object]] = field(default_factory=dict)
    holds_keys = False

    class config:
        paused = False

    def _note(self, channel: int, *what: object) -> None:
        self.told.setdefault(channel, []).append((round(self.clock(), 3), *what))

    def sound(self, channel: int, event: object) -> None:
        if isinstance(event, SegmentGrew):
            self._note(channel, event.number, event.pcm.tobytes(), event.speaking)
        else:
            self._note(channel, event)

    def warn(self, warning: Any) -> None:
        self._note(warning.channel, replace(warning, measured=round(warning.measured)))

    def press(self, channel: int, digit: str, at: int) -> None:
        self._note(channel, digit, at)

    def listen(self, channel: int, position: int) -> None:
        self._note(channel, "heard", position)

    def miss(self, channel: int, *gap: object) -> None:
        self._note(channel, *gap)

    def drop(self, segment: Any, *why: object) -> None:
        self._note(segment.channel, segment, *why)


class Caller:
    """One channel, and a bridge that loses, repeats and swaps frames, and does what bridges do between them."""

    def __init__(self, seed: int, number: int, channel: Channel, ears: Ears) -> None:
        self.rng = np.random.default_rng([seed, number])
        self.law = LAWS[self.rng.integers(3)]
        self.channel, self.ears = channel, ears
        self.begins = int(self.rng.integers(len(recording()[number]) - FRAMES * FRAME))
        self.pcm = recording()[number][self.begins :][: FRAMES * FRAME].copy()
        if self.rng.random() < 0.5:
            self.pcm[10_000:12_000] = tones(2_000)
        if self.rng.random() < 0.3:
            self.pcm[40_000:90_000] = 0
        self.has_positions = self.rng.random() < 0.7

    def send(self, turn: int) -> None:
        for at in self._frames(turn):
            payload = encode(self.pcm[at * FRAME : (at + 1) * FRAME], self.law)
            position = at * FRAME if self.has_positions else None
            self.channel.receive_coded(CodedAudio(self.number, payload, self.law, FRAME, position))
        self._do_something(turn)

    number = 0

    def _frames(self, turn: int) -> Iterator[int]:
        """The frames that arrive with a turn: some late, twice, together or never."""
        if turn % 97 < 20 and self.begins % 2:  # twenty frames at once
            yield from range(turn - 19, turn + 1) if turn % 97 == 19 and turn > 19 else ()
        elif turn % 50 == 7 and self.begins % 3 == 0:
            yield from (turn + 1, turn)
        elif (turn % 50 == 8 and self.begins % 3 == 0) or not (
            turn % 211 < 3 and self.begins % 5 == 0
        ):
            yield turn

    def _do_something(self, turn: int) -> None:
        what, channel = self.rng.integers(400), self.channel
        if what == 0:
            channel.press("7")
        elif what == 1:
            channel.finalize()
        elif what == 2:
            channel.skip(int(self.rng.choice([100, 9_000])), "skipped", Account.PAUSED)
        elif what == 3:
            self.ears.holds_keys = not self.ears.holds_keys
        elif what == 4:
            channel.withhold(paused=True)
        elif what == 5:
            channel.restart(segmenter(), cast("Any", self.ears), ChannelOrigin(channel.told))
        elif turn % 60 == 30:
            channel.keep_from(max(0, channel.told - 8_000))
        elif turn % 60 == 45:
            channel.withhold(paused=False)


def tones(samples: int) -> Pcm:
    at = np.arange(samples) / 8_000
    both = np.sin(2 * np.pi * 770 * at) + np.sin(2 * np.pi * 1_336 * at)
    return (both * 6_000).astype(np.int16)


def segmenter() -> ChannelSegmenter:
    return ChannelSegmenter(Endpointing(draft_ms=160), background=new_tracker())


async def converse(seed: int, calls: int) -> tuple[list[object], list[float]]:
    """Everything that the channels of some calls told, and their accounts; the levels of line quality."""
    clock, batcher = asyncio.get_running_loop().time, VadBatcher(silero(), RunPlan(spreads=True))
    everybody: list[tuple[Ears, list[Caller]]] = []
    for number in range(calls):
        ears, quality, crosstalk = Ears(clock), QualityMonitor(2), CrosstalkDetector()
        channels = [
            Channel(
                side,
                8_000,
                segmenter(),
                batcher,
                cast("Any", ears),
                ChannelOrigin(),
                quality,
                crosstalk,
                clock,
            )
            for side in range(2)
        ]
        crosstalk.watch(channels)
        callers = []
        for side, channel in enumerate(channels):
            channel.companions = channels
            callers.append(Caller(seed + 10_000 * number, side, channel, ears))
            callers[-1].number = side
        everybody.append((ears, callers))
    for turn in range(FRAMES - 1):
        for _, callers in everybody:
            for caller in callers:
                caller.send(turn)
        await asyncio.sleep(0.02)
    found, levels = list[object](), list[float]()
    for ears, callers in everybody:
        for caller in callers:
            caller.channel.finish()
            found.append((caller.channel.totals, caller.channel.heard))
            levels += caller.channel.levels or ()
        found.append(ears.told)
    return found, levels


@settings(max_examples=examples(8))
@given(st.integers(0, 5_000), st.integers(1, 3))
def test_calls_are_told_the_same_at_the_same_time(seed: int, calls: int) -> None:
    found = []
    for wanted in (True, False):
        with compiled.using(wanted=wanted), asyncio.Runner(loop_factory=JumpingLoop) as runner:
            found.append(runner.run(converse(seed, calls)))

    (told, levels), (same, alike) = found
    assert told == same
    assert levels == pytest.approx(alike, abs=1e-3)


async def test_a_frame_of_each_encoding_has_the_samples_of_the_pure_path() -> None:
    every = {
        Encoding.MULAW: bytes(range(256)),
        Encoding.ALAW: bytes(range(256)),
        Encoding.L16: np.arange(-128, 128, dtype="<i2").tobytes(),
    }
    for law, payload in every.items():
        heard = []
        for wanted in (True, False):
            with compiled.using(wanted=wanted):
                clock = asyncio.get_running_loop().time
                parts = segmenter(), VadBatcher(None), cast("Any", Ears(clock))
                channel = Channel(
                    0, 8_000, *parts, ChannelOrigin(), QualityMonitor(1), CrosstalkDetector()
                )
                assert isinstance(channel._frames, LineFrames) == wanted
                channel.receive_coded(CodedAudio(0, payload, law, 256, None))
                channel.catch_up()
                _, pcm = channel._converter.given, channel._replay.since(0, 256)
                heard.append([cast("Any", piece).pcm.tolist() for piece in pcm])
        assert heard[0] == heard[1]
