"""Runs voice activity detection for the segmenters of many channels at once."""

from collections.abc import Sequence
from typing import Protocol

from protocol.audio import Pcm

from . import compiled
from .channel_segmenter import ChannelSegmenter
from .sound_events import SoundEvent
from .voice_activity.compiled_detector import CompiledDetector
from .voice_activity.silero import Silero, VadQuery, VadResult
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
    if not _run_compiled(segmenters, silero, rounds):
        _run_pure(segmenters, silero, rounds)
    return [segmenter.drain() for segmenter in segmenters]


def _run_compiled(
    segmenters: Sequence[ChannelSegmenter], silero: VadModel | None, rounds: int
) -> bool:
    """Run the compiled step, if all segmenters and the model are of it.  Returns whether they are."""
    step, network = compiled.installed(), silero.compiled if isinstance(silero, Silero) else None
    cores = [one.detector.core for one in segmenters if isinstance(one.detector, CompiledDetector)]
    if step is None or len(cores) < len(segmenters) or (silero and not network):
        return False
    step.run(cores, network, rounds)
    return True


def _run_pure(segmenters: Sequence[ChannelSegmenter], silero: VadModel | None, rounds: int) -> None:
    classify([one.detector for one in segmenters])
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


def run_vad_single(
    segmenter: ChannelSegmenter, pcm: Pcm, silero: VadModel | None = None
) -> list[SoundEvent]:
    """Feed one segmenter with audio of any length and run until it has no query.  Returns the events."""
    segmenter.feed(pcm)
    events = run_vad([segmenter], silero)[0]
    while segmenter.query:
        events += run_vad([segmenter], silero)[0]
    return events
