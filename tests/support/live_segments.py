"""Cuts a recording as the gateway cuts a call."""

from collections.abc import Iterator

import numpy as np

from protocol.audio import Pcm
from protocol.events import Span
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SegmentOpened
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.audio.voice_activity.vad_choice import Vad
from streaming.settings import GatewaySettings
from workers.engines.base import Samples

_TICK = 160


def live_segments(pcm: Pcm) -> Iterator[tuple[Span, Samples]]:
    """The segments of one channel (int16 at 8 kHz), with their audio as engines take it."""
    weights = silero_weights()
    segmenter = ChannelSegmenter(
        GatewaySettings().endpointing, vad=Vad.BOTH if weights else Vad.WEBRTC
    )
    silero = Silero(weights) if weights else None
    grown: dict[int, list[Pcm]] = {}
    events = [
        event
        for start in range(0, len(pcm), _TICK)
        for event in run_vad_single(segmenter, pcm[start : start + _TICK], silero)
    ]
    for event in [*events, *segmenter.finish()]:
        match event:
            case SegmentOpened(number, _):
                grown[number] = []
            case SegmentGrew(number, piece):
                grown[number].append(piece)
            case SegmentClosed(number, span, samples, _):
                audio = np.concatenate(grown.pop(number))[:samples]
                yield span, (audio / 32_768).astype(np.float32)
            case _:
                pass
