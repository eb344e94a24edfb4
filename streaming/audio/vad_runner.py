"""Runs voice activity detection for the segmenters of many channels at once."""

from collections.abc import Sequence
from typing import Protocol

from protocol.audio import Pcm

from .channel_segmenter import ChannelSegmenter
from .sound_events import SoundEvent
from .voice_activity.silero import VadQuery, VadResult
from .voice_activity.vad import classify


class VadModel(Protocol):
    """The interface of a batched voice activity model, for example Silero."""

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        """Return one result for each query, in order."""
        ...


def run_vad(
    segmenters: Sequence[ChannelSegmenter], silero: VadModel | None, *, rounds: int = 4
) -> list[list[SoundEvent]]:
    """
    Run voice activity detection; return the events of each segmenter, in order.

    Each round runs Silero once for all segmenters that have a query.  A round advances a segmenter by at most
    320 ms of audio.  `rounds` bounds the time of one call when one channel has much audio waiting: a segmenter
    whose `query` is not None afterwards continues in the next call.
    """
    if fresh := [one.detector for one in segmenters if one.detector.has_audio]:
        classify(fresh)
    busy = segmenters
    for _ in range(rounds):
        asking = [(segmenter, query) for segmenter in busy if (query := segmenter.query)]
        if not asking:
            break
        if silero is None:
            raise RuntimeError(
                "the detector needs Silero, which is not installed: see vad.available()"
            )
        results = silero.predict([query for _, query in asking])
        for (segmenter, _), result in zip(asking, results, strict=True):
            segmenter.apply(result)
        busy = [segmenter for segmenter, _ in asking]
    return [segmenter.drain() for segmenter in segmenters]


def run_vad_single(
    segmenter: ChannelSegmenter, pcm: Pcm, silero: VadModel | None = None
) -> list[SoundEvent]:
    """Feed one segmenter with audio of any length and run until it has no query.  Returns the events."""
    segmenter.feed(pcm)
    events = run_vad([segmenter], silero)[0]
    while segmenter.query:
        events += run_vad([segmenter], silero)[0]
    return events
