"""Segments of recordings as a gateway cuts them, with the moments at which it requests partials of them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from protocol.audio import Pcm
from protocol.clock import UPSAMPLING
from protocol.events import LoadLevel, SegmentId
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero
from streaming.call.segments.partial_schedule import PartialSchedule
from workers.engines.base import Samples
from workers.upsampling import engine_samples

_PIECE = 640


@dataclass(slots=True)
class Segment:
    """A segment, and for each partial that a gateway requests of it the length of the audio then (16 kHz)."""

    samples: Samples = field(repr=False)
    asked: list[int]


def segments_of(pcm: Pcm, silero: Silero, every_ms: int) -> list[Segment]:
    """Cut a channel at 8 kHz as a gateway does.  Partials are requested each `every_ms` and answered at once."""
    cutter = _Cutter(every_ms)
    segmenter = ChannelSegmenter()
    for start in range(0, len(pcm), _PIECE):
        cutter.take(run_vad_single(segmenter, pcm[start : start + _PIECE], silero))
    cutter.take(segmenter.finish())
    return cutter.found


class _Cutter:
    """Collects segments from the events of a segmenter, and requests partials of them."""

    def __init__(self, every_ms: int) -> None:
        self.found: list[Segment] = []
        self._schedule = PartialSchedule(every_ms)
        self._grown: dict[int, list[Pcm]] = {}
        self._asked: dict[int, list[int]] = {}

    def take(self, events: Sequence[SoundEvent]) -> None:
        """Add events of the segmenter, in order."""
        for event in events:
            match event:
                case SegmentGrew(number, pcm, speaking):
                    self._grow(number, pcm, speaking=speaking)
                case SegmentClosed(number=number, samples=samples):
                    self._close(number, samples)
                case _:
                    pass

    def _grow(self, number: int, pcm: Pcm, *, speaking: bool) -> None:
        segment = SegmentId(0, number)
        if number not in self._grown:
            self._grown[number], self._asked[number] = [], []
            self._schedule.begin(segment, 0)
        self._grown[number].append(pcm)
        self._schedule.feed(segment, len(pcm))
        if speaking and self._schedule.ask(segment, LoadLevel.NORMAL):
            self._schedule.answered(segment)
            self._asked[number].append(UPSAMPLING * sum(map(len, self._grown[number])))

    def _close(self, number: int, samples: int) -> None:
        if number not in self._grown:
            return
        self._schedule.end(SegmentId(0, number))
        whole = np.concatenate(self._grown.pop(number))[:samples]
        self.found.append(Segment(engine_samples(whole), self._asked.pop(number)))
