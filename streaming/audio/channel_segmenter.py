"""
One channel of a call: samples in, segments out.

Positions are samples of the call clock; the audio of a segment is 16 kHz for the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, ENGINE_RATE, UPSAMPLING
from protocol.events import Account, ChannelTotals, Span

from .endpointing import TICK, Boundary, Closed, Endpointing, Opened, Reason, Segmenter, State
from .resampler import Halver, Untouched, Upsampler
from .sample_buffer import SampleBuffer
from .silero import VadQuery, VadResult
from .vad import Detector, Vad

LONGEST_FILL = CALL_RATE
"""Lost audio up to a second is heard as silence; longer losses end the segment and are skipped."""


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """Somebody began to speak; `start` lies a little before it."""

    number: int
    start: int


@dataclass(frozen=True, slots=True)
class SegmentGrew:
    """What comes next in the audio of an open segment, for the engine."""

    number: int
    pcm: Pcm = field(repr=False)
    speaking: bool = True
    """Whether the last tick was voiced; if not, the segment may be about to close."""


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """The segment is complete: of the samples it grew by, the first `samples` count, twice its span."""

    number: int
    span: Span
    samples: int
    reason: Reason


SoundEvent = SegmentOpened | SegmentGrew | SegmentClosed


class ChannelSegmenter:
    """
    Listen to one channel.

    `hear`, `listen` (for all ears at once), then look at what came out.  Takes samples at the internal rate,
    8 or 16 kHz; 16 kHz go to the engine untouched.  Every sample lies in exactly one segment or in the silence
    between two.  Segments do not depend on how the audio was cut into pieces.
    """

    def __init__(
        self,
        endpointing: Endpointing | None = None,
        *,
        vad: Vad = Vad.BOTH,
        rate: int = CALL_RATE,
    ) -> None:
        if rate not in (CALL_RATE, ENGINE_RATE):
            raise ValueError(f"sample rate {rate} is not supported: 8000 or 16000")
        self._scale = rate // CALL_RATE
        self._halver = Halver() if rate == ENGINE_RATE else None
        self._detector = Detector(vad)
        self._segmenter = Segmenter(endpointing)
        self._source = SampleBuffer()
        self._events: list[SoundEvent] = []
        self._voice: _Voice | None = None
        self._numbers = 0
        self._claimed = 0
        self._transcribed = 0
        self._losses: list[Span] = []
        self._lost = dict.fromkeys(Account, 0)

    @property
    def query(self) -> VadQuery | None:
        """What this ear wants to know of Silero before it can go on, if anything."""
        return self._detector.query

    def apply(self, result: VadResult) -> None:
        """The answer to `question`."""
        self._detector.apply(result)

    def feed(self, pcm: Pcm) -> None:
        """Take in what comes next, at the internal rate."""
        self._source.append(pcm)
        self._detector.feed(self._halver.feed(pcm) if self._halver else pcm)

    def lose(self, samples: int, account: Account = Account.LOST_UPSTREAM) -> None:
        """
        Advance over samples, at the internal rate, that never came or must not be heard.

        Up to a second becomes silence; more ends the open segment where the loss begins.  `listen` first:
        what Silero has not been asked yet is decided by its last word.
        """
        lost = Span(self.heard, (self._source.end + samples) // self._scale)
        self._losses.append(lost)
        self._lost[account] += lost.end - lost.start
        if samples <= LONGEST_FILL * self._scale:
            self._feed_silence(samples)
        else:
            self._skip(samples)

    def shed(self, samples: int) -> None:
        """So much of what was heard, on the call clock, will not be transcribed after all."""
        moved = min(samples, self._transcribed)
        self._transcribed -= moved
        self._lost[Account.SHED] += moved

    def finish(self) -> list[SoundEvent]:
        """
        Close the open segment here and now: a hang-up, or somebody asked for the words.  Hearing may go on.

        `listen` first: what Silero has not been asked yet is decided by its last word.
        """
        self._detector.conclude()
        self._advance()
        self._meet_all(self._segmenter.close())
        return self.drain()

    def drain(self) -> list[SoundEvent]:
        """What has become known since the last call, in order."""
        self._advance()
        if self._voice:
            self._grow(self._voice)
        self._forget()
        events, self._events = self._events, []
        return events

    @property
    def has_speech(self) -> bool:
        """Whether a segment is open."""
        return self._voice is not None

    @property
    def heard(self) -> int:
        """Where the channel stands."""
        return self._detector.heard

    @property
    def told(self) -> int:
        """Up to where everything has been told: what is behind may still become, or belong to, a segment."""
        if self._voice:
            return self._voice.start + self._voice.told // UPSAMPLING
        return min(self.heard, max(self._segmenter.earliest * TICK, self._claimed))

    @property
    def decided(self) -> int:
        """Up to where it is known what is speech: `heard`, less what the voice detectors still wait for."""
        return self._decided

    @property
    def totals(self) -> ChannelTotals:
        """The account of all that was heard; an open segment counts as silence until it is closed."""
        return ChannelTotals(
            transcribed=self._transcribed,
            silence=self.heard - self._transcribed - sum(self._lost.values()),
            paused=self._lost[Account.PAUSED],
            lost_upstream=self._lost[Account.LOST_UPSTREAM],
            shed=self._lost[Account.SHED],
        )

    @property
    def _decided(self) -> int:
        """Where the segmenter stands."""
        return self._segmenter.now * TICK

    def _advance(self) -> None:
        """Let the segmenter see what the detector has decided."""
        for tick in self._detector.drain():
            self._meet_all(self._segmenter.feed(tick.voiced, tick.level))

    def _meet_all(self, boundaries: Sequence[Boundary]) -> None:
        for boundary in boundaries:
            match boundary:
                case Opened(tick):
                    self._open(max(tick * TICK, self._claimed))
                case Closed(tick, reason):
                    self._close(tick, reason)
                case _:
                    assert_never(boundary)

    def _open(self, start: int) -> None:
        self._voice = _Voice(self._numbers, start, Untouched() if self._halver else Upsampler())
        self._numbers += 1
        self._events.append(SegmentOpened(self._voice.number, start))

    def _close(self, tick: int, reason: Reason) -> None:
        """End the open segment before `tick`; if that is the last, before the last sample heard."""
        voice = self._voice
        if voice is None:
            raise RuntimeError("a segment was closed that was not open")
        at_once = reason is Reason.FINISHED and tick == self._segmenter.now
        span = Span(voice.start, self.heard if at_once else tick * TICK)
        self._grow(voice, max(span.end, self._decided))
        samples = UPSAMPLING * (span.end - span.start)
        self._notify(voice, voice.outlet.flush()[: max(0, samples - voice.told)])
        self._events.append(SegmentClosed(voice.number, span, samples, reason))
        self._voice, self._claimed = None, span.end
        self._transcribed += span.end - span.start - sum(_shared(span, x) for x in self._losses)

    def _grow(self, voice: "_Voice", end: int | None = None) -> None:
        """Bring the segment up to `end`, or to what has been decided."""
        end = self._decided if end is None else end
        pcm = self._source.cut(self._scale * voice.fed, self._scale * end)
        voice.fed = end
        self._notify(voice, voice.outlet.feed(pcm))

    def _notify(self, voice: "_Voice", pcm: Pcm) -> None:
        if len(pcm):
            voice.told += len(pcm)
            speaking = self._segmenter.state is State.SPEAKING
            self._events.append(SegmentGrew(voice.number, pcm, speaking))

    def _feed_silence(self, samples: int) -> None:
        self.feed(np.zeros(samples, dtype=np.int16))

    def _skip(self, samples: int) -> None:
        """Silence to the end of the tick, then a leap over whole ticks, then silence for what is left."""
        tick = TICK * self._scale
        padding = -self._source.end % tick
        self._feed_silence(padding)
        self._detector.conclude()
        self._advance()
        ticks, rest = divmod(samples - padding, tick)
        self._meet_all(self._segmenter.close(Reason.LOST))
        self._segmenter.skip(ticks)
        self._detector.skip(ticks)
        self._source.jump(self._source.end + ticks * tick)
        self._feed_silence(rest)

    def _forget(self) -> None:
        """Drop the audio and the losses that no segment to come can hold."""
        earliest = max(self._segmenter.earliest * TICK, self._claimed)
        self._source.forget(self._scale * earliest)
        needed = self._voice.start if self._voice else earliest
        if self._losses:
            self._losses = [lost for lost in self._losses if lost.end > needed]


class _Outlet(Protocol):
    """The way of a segment's samples to the engine's rate."""

    def feed(self, pcm: Pcm) -> Pcm: ...

    def flush(self) -> Pcm: ...


@dataclass(slots=True)
class _Voice:
    """The open segment: how much of it was fed, on the call clock, and how many engine samples were told."""

    number: int
    start: int
    outlet: _Outlet
    fed: int = field(init=False)
    told: int = 0

    def __post_init__(self) -> None:
        self.fed = self.start


class VadModel(Protocol):
    """Whoever has a second opinion: Silero."""

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        """One opinion for each question, in order."""
        ...


def run_vad(
    segmenters: Sequence[ChannelSegmenter], silero: VadModel | None, *, rounds: int = 32
) -> list[list[SoundEvent]]:
    """
    What each ear has heard, in their order; one run of Silero a round serves all that ask.

    A round takes an ear 32 ms further (waking takes ten), so `rounds` bounds how long a flood on one
    channel keeps the others waiting; an ear whose `question` is not None then goes on at the next call.
    """
    for _ in range(rounds):
        asking = [(segmenter, query) for segmenter in segmenters if (query := segmenter.query)]
        if not asking:
            break
        if silero is None:
            raise RuntimeError("an ear asks for Silero, and there is none: see vad.available()")
        results = silero.predict([query for _, query in asking])
        for (segmenter, _), result in zip(asking, results, strict=True):
            segmenter.apply(result)
    return [segmenter.drain() for segmenter in segmenters]


def run_vad_single(
    segmenter: ChannelSegmenter, pcm: Pcm, silero: VadModel | None = None
) -> list[SoundEvent]:
    """One ear, one piece of audio of any length: hear it and listen until nothing is left to ask."""
    segmenter.feed(pcm)
    events = run_vad([segmenter], silero)[0]
    while segmenter.query:
        events += run_vad([segmenter], silero)[0]
    return events


def _shared(one: Span, other: Span) -> int:
    """Samples that lie in both."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
