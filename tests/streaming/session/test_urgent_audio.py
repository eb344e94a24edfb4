"""Audio waits for the next run of all channels, unless the next frame may end a segment."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from protocol.calls.call import CallConfig, Role
from protocol.events import Fault
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.crosstalk import CrosstalkDetector
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.vad_batcher import VadBatcher
from streaming.audio.voice_activity.vad_choice import Vad
from streaming.call.call import Call
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger
from streaming.session.calls.channel import Channel
from streaming.session.calls.channel_origin import ChannelOrigin

FRAME = 160


def buzz(frames: int) -> Pcm:
    at = np.arange(frames * FRAME) / 8_000
    harmonics = [3_000 * np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 9)]
    pcm: Pcm = np.sum(harmonics, axis=0).astype(np.int16)
    return pcm


def is_open(channel: Channel) -> bool:
    return channel.segmenter.has_speech


def new_channel(batcher: VadBatcher, hangover_ms: int) -> Channel:
    call = Call(
        CallIdentity("c1", "log", (Role.MIXED,), "native", 0.0),
        CallConfig(),
        Ledger(6_400),
        500,
        lambda: 0.0,
    )
    segmenter = ChannelSegmenter(Endpointing(hangover_ms=hangover_ms), vad=Vad.WEBRTC)
    origin, monitor = ChannelOrigin(), QualityMonitor(1)
    return Channel(0, 8_000, segmenter, batcher, call, origin, monitor, CrosstalkDetector())


@pytest.mark.parametrize("hangover_ms", [300, 500, 510])
async def test_a_segment_closes_with_the_frame_that_ends_the_hang_over(hangover_ms: int) -> None:
    channel = new_channel(VadBatcher(None), hangover_ms)
    speech, silence = buzz(50), np.zeros(100 * FRAME, np.int16)
    for start in range(0, len(speech), FRAME):
        channel.receive(None, speech[start : start + FRAME])
    channel.listen_now()
    assert is_open(channel)

    given = 0
    while is_open(channel):
        assert not channel.is_urgent
        channel.receive(None, silence[given : given + FRAME])
        given += FRAME
        await asyncio.sleep(
            0
        )  # one iteration of the loop: no timer of a run of all channels is due
        await asyncio.sleep(0)

    alone = new_channel(VadBatcher(None), hangover_ms)
    for start in range(0, len(speech), FRAME):
        alone.receive(None, speech[start : start + FRAME])
    alone.listen_now()
    needed = 0
    while is_open(alone):
        alone.receive(None, silence[needed : needed + FRAME])
        alone.listen_now()
        needed += FRAME
    assert given == needed


async def test_a_channel_without_speech_waits_for_the_run_of_all_channels() -> None:
    channel = new_channel(VadBatcher(None), 500)

    for _ in range(5):
        channel.receive(None, np.zeros(FRAME, np.int16))

    assert channel.waiting == 5 * FRAME
    assert not channel.is_urgent


async def test_much_audio_does_not_wait() -> None:
    channel = new_channel(VadBatcher(None), 500)

    channel.receive(None, np.zeros(20 * FRAME, np.int16))
    await asyncio.sleep(0)

    assert channel.waiting == 0


async def test_misread_audio_in_a_burst_is_known_before_a_partial_is_requested() -> None:
    path = min((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))
    spoken = read_recording(path).channels[0][:16_000]
    misread = decode(encode(spoken, Encoding.MULAW), Encoding.ALAW)
    channel = new_channel(VadBatcher(None), 500)

    for start in range(0, len(misread), FRAME):
        channel.receive(None, misread[start : start + FRAME])
        await asyncio.sleep(0)

    assert is_open(channel)
    assert channel.quality.misread is Fault.WRONG_LAW
