"""Line quality of many channels measured together gives the warnings that each channel gives alone."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from support import sounds
from support.examples import examples

from protocol.audio import Encoding, Pcm, decode, encode
from protocol.events import Fault, LineWarning, Span
from streaming.audio.endpointing import Reason
from streaming.audio.quality.block_stats import measure, measure_all
from streaming.audio.quality.channel_quality import ChannelQuality
from streaming.audio.quality.measuring import measure_waiting
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.sound_events import SegmentClosed, SegmentOpened

pytestmark = pytest.mark.usefixtures("audio_path")

MULAW, ALAW = Encoding.MULAW, Encoding.ALAW
SECOND = 8_000
BLOCK = 2_000


def voice(seed: int, seconds: float) -> Pcm:
    """A buzz with the spectrum and the syllables of a voice, and pauses."""
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * SECOND)) / SECOND
    buzz = sum(np.sin(2 * np.pi * 140 * n * at + n) / n for n in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3 * at + seed), 0, 1)
    pcm: Pcm = (3_000 * buzz * syllables + rng.normal(0, 20, len(at))).astype(np.int16)
    return pcm


LINES: dict[str, Callable[[Pcm], Pcm]] = {
    "linear": lambda pcm: pcm,
    "mu-law": lambda pcm: decode(encode(pcm, MULAW), MULAW),
    "A-law": lambda pcm: decode(encode(pcm, ALAW), ALAW),
    "A-law as mu-law": lambda pcm: decode(encode(pcm, ALAW), MULAW),
    "linear as mu-law": lambda pcm: decode(pcm.tobytes()[: len(pcm)], MULAW),
    "mu-law as linear": lambda pcm: np.frombuffer(encode(np.tile(pcm, 2), MULAW), np.int16).copy(),
    "big-endian": lambda pcm: pcm.byteswap(),
    "two channels as one": lambda pcm: np.stack([pcm, np.roll(pcm, 999)], 1).reshape(-1),
    "clipped": lambda pcm: np.clip(pcm * 20.0, -32_768, 32_767).astype(np.int16),
    "soft": lambda pcm: (pcm * 0.002).astype(np.int16),
    "noise": lambda pcm: sounds.white_noise(len(pcm) / SECOND, -28),
    "silence": np.zeros_like,
    "idle code": lambda pcm: decode(b"\xd5" * len(pcm), MULAW),
    "full scale": lambda pcm: np.full_like(pcm, 32_000),
}


def line(kind: str, seed: int, seconds: float = 8.0) -> Pcm:
    pcm: Pcm = np.ascontiguousarray(LINES[kind](voice(seed, seconds)))
    return pcm[: round(seconds * SECOND)]


KINDS = st.lists(st.sampled_from(sorted(LINES)), min_size=1, max_size=8)


@settings(max_examples=examples(30), deadline=None)
@given(KINDS, st.integers(0, 1_000))
def test_blocks_together_have_the_measurements_of_each_alone(kinds: list[str], seed: int) -> None:
    blocks = [line(kind, seed + n, 0.25) for n, kind in enumerate(kinds)]

    together = measure_all(list(range(len(kinds))), blocks)

    for number, (block, found) in enumerate(zip(blocks, together, strict=True)):
        alone = asdict(measure(number, block))
        for name, value in asdict(found).items():
            if isinstance(value, dict | float):
                assert value == pytest.approx(alone[name], rel=1e-3, abs=1e-3), name
            else:
                assert value == alone[name], name


def heard_alone(pcm: Pcm, spoken: list[Span]) -> list[LineWarning]:
    """Frame by frame, each block measured when it is complete."""
    monitor, said = QualityMonitor(1), list[LineWarning]()
    for at in range(0, len(pcm), 160):
        speaking = any(span.start <= at < span.end for span in spoken)
        said += monitor.feed(0, at, pcm[at : at + 160], speaking=speaking)
    return said


@settings(max_examples=examples(15), deadline=None)
@given(
    st.lists(st.sampled_from(sorted(LINES)), min_size=2, max_size=5),
    st.integers(0, 1_000),
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.lists(st.integers(1, 3_000), min_size=1, max_size=6),
)
def test_channels_together_give_the_warnings_of_each_alone(
    kinds: list[str], seed: int, turns: list[int], sizes: list[int]
) -> None:
    """Any pieces of audio, and any number of ticks until the blocks are measured."""
    pcms = [line(kind, seed + n) for n, kind in enumerate(kinds)]
    spoken = [Span(SECOND, 3 * SECOND), Span(4 * SECOND, 7 * SECOND)]
    channels = [ChannelQuality(QualityMonitor(1), 0, SECOND) for _ in kinds]
    said: list[list[LineWarning]] = [[] for _ in kinds]
    at, turn = [0] * len(kinds), 0
    while any(at[n] < len(pcm) for n, pcm in enumerate(pcms)):
        for n, (channel, pcm) in enumerate(zip(channels, pcms, strict=True)):
            end = min(len(pcm), at[n] + sizes[(turn + n) % len(sizes)])
            channel.add(at[n], pcm[at[n] : end])
            before, at[n] = at[n], end
            for number, span in enumerate(spoken):
                if before <= span.start < end:
                    channel.segment([SegmentOpened(number, span.start)], span.start)
                if before <= span.end < end:
                    channel.segment([_closed(number, span)], span.end // 160 * 160)
            channel.segment([], end // 160 * 160)
        if turn % turns[turn % len(turns)] == 0:
            _measure(channels, said)
        turn += 1
    _measure(channels, said)

    for pcm, warnings in zip(pcms, said, strict=True):
        alone = heard_alone(pcm, spoken)
        assert [(one.fault, one.at, one.check) for one in warnings] == [
            (one.fault, one.at, one.check) for one in alone
        ]
        measured = [one.measured for one in warnings]
        assert measured == pytest.approx([one.measured for one in alone], abs=0.02)


def _measure(channels: list[ChannelQuality], said: list[list[LineWarning]]) -> None:
    for one, warnings in zip(said, measure_waiting(channels), strict=True):
        one.extend(warnings)


def _closed(number: int, span: Span) -> SegmentClosed:
    return SegmentClosed(number, span, 2 * (span.end - span.start), Reason.PAUSE)


def test_a_rate_that_is_right_is_looked_at_rarely_and_a_later_wrong_one_is_found() -> None:
    """16 kHz declared as 8, and read at twice the speed, after 20 s in order."""
    right = line("linear", 1, 20.0)
    wrong = soxr.resample(line("linear", 2, 15.0), SECOND, 2 * SECOND)
    channel = ChannelQuality(QualityMonitor(1), 0, SECOND)
    now, looked, at, found = 0.0, list[float](), 0, list[LineWarning]()
    for pcm, pace in ((right, 1.0), (wrong, 2.0)):
        for start in range(0, len(pcm) - 159, 160):
            channel.add(at, pcm[start : start + 160])
            at += 160
            now += 0.02 / pace
            if now >= channel.due_at:
                looked.append(now)
                found += channel.arrive(at, now)
            channel.segment([SegmentOpened(0, 0)] if at == 160 else [], at)
            found += measure_waiting([channel])[0]

    assert len([one for one in looked if 12 <= one < 20]) <= 30
    assert [one.fault for one in found] == [Fault.WRONG_RATE]
