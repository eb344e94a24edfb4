"""
Cuts the samples of one channel into segments.

Positions are samples of the call clock (8 kHz); the audio of a segment is at the internal rate, 8 or 16 kHz.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never, cast

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, ENGINE_RATE
from protocol.events import Account, ChannelTotals, Span

from .background_speech import BackgroundTracker
from .channel_line import LineParts
from .compiled_endpointing import Tracker, new_endpointer
from .crosstalk import Powers
from .endpointing import TICK, Boundary, Closed, Opened, Reason, Segmenter
from .endpointing_settings import Endpointing
from .levelling import Leveller
from .resampler import Halver
from .sample_buffer import sample_buffer
from .sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
    VoiceSource,
)
from .voice_activity.compiled_detector import CompiledDetector
from .voice_activity.silero import VadQuery, VadResult
from .voice_activity.ticks import Tick
from .voice_activity.vad import new_detector
from .voice_activity.vad_choice import Vad

LONGEST_FILL = CALL_RATE
"""Lost audio up to one second is replaced by silence; a longer loss ends the segment and is skipped."""

LONGEST_WAIT = CALL_RATE // 5
"""Most samples that should wait to be fed, on the call clock."""

_PIECE = 4 * TICK
"""Samples by which an open segment grows at a time: 80 ms."""

_FORGET_EVERY = 10 * TICK

_PATIENCE, _OPENING_PATIENCE = 4, 2
"""Most ticks that may wait, and most while a segment may open: a listener may want to know its start soon."""

_LOSSES = frozenset({Account.LOST_UPSTREAM, Account.PAUSED, Account.SHED})
"""Accounts of audio that did not arrive or was not processed."""


class ChannelSegmenter:
    """
    Finds the segments of one channel by voice activity and endpointing.

    Call `feed`, then `run_vad` for all segmenters at once, which returns the events.  Takes samples at the internal
    rate, 8 or 16 kHz, and returns the audio of segments at it.  Every sample is in exactly one segment or in
    the silence between two.  Segments do not depend on how the audio was cut into pieces.
    """

    def __init__(
        self,
        endpointing: Endpointing | None = None,
        *,
        vad: Vad = Vad.BOTH,
        rate: int = CALL_RATE,
        background: Tracker | None = None,
    ) -> None:
        """`background`: marks speech of speakers farther away; None if the channel carries several speakers."""
        if rate not in (CALL_RATE, ENGINE_RATE):
            raise ValueError(f"sample rate {rate} is not supported: 8000 or 16000")
        self._scale = rate // CALL_RATE
        self._halver = Halver() if rate == ENGINE_RATE else None
        self._leveller = Leveller(rate) if self._halver else None
        """At 8 kHz the detector applies the gain."""

        self.detector = new_detector(vad, levelled=self._leveller is None)
        self._segmenter = new_endpointer(endpointing, background)
        self._background = background
        self._source = sample_buffer() if self._halver else self.detector.audio
        self._forget_at = 0
        """Samples kept from which it is worthwhile to forget some."""

        self._events: list[SoundEvent] = []
        self._voice: _Voice | None = None
        self._numbers = 0
        self._claimed = 0
        self._transcribed = 0
        self._losses: list[Span] = []
        self._lost = dict.fromkeys(Account, 0)

    @property
    def query(self) -> VadQuery | None:
        """Audio windows that Silero must classify before the segmenter can continue; None if there are none."""
        return self.detector.query

    def apply(self, result: VadResult) -> None:
        """Take Silero's result for `query`."""
        self.detector.apply(result)

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples: int16 `[n]` at the internal rate."""
        if self._halver is None or self._leveller is None:
            self.detector.feed(pcm)
            return
        pcm = self._leveller.feed(pcm)
        self._source.append(pcm)
        self.detector.feed(self._halver.feed(pcm))

    def lose(self, samples: int, account: Account = Account.LOST_UPSTREAM) -> None:
        """
        Advance over `samples`, at the internal rate, that did not arrive or must not be processed.

        Up to one second is replaced by silence; more ends the open segment where the loss begins.  Call `run_vad`
        first: ticks that Silero has not classified are decided by its last result.  Raises ValueError for an
        account that does not count lost audio.
        """
        if account not in _LOSSES:
            raise ValueError(f"{account} is not an account of lost audio")
        lost = Span(self.heard, (self._received + samples) // self._scale)
        self._losses.append(lost)
        self._lost[account] += lost.end - lost.start
        if samples <= LONGEST_FILL * self._scale:
            self._feed_silence(samples)
        else:
            self._skip(samples)

    def shed(self, samples: int) -> None:
        """Move `samples`, on the call clock, from the account `transcribed` to `shed`."""
        moved = min(samples, self._transcribed)
        self._transcribed -= moved
        self._lost[Account.SHED] += moved

    def finish(self) -> list[SoundEvent]:
        """
        Close the open segment at the current position, after a hang-up or a finalize request.

        More audio may follow.  Call `run_vad` first: ticks that Silero has not classified are decided by its last
        result.  Returns the events since the last `drain`.
        """
        self.detector.conclude()
        self._advance()
        self._meet_all(self._segmenter.close())
        return self.drain()

    def wait(self, number: int, end: int) -> bool:
        """
        The draft of segment `number` up to `end`, as `SegmentPaused` told, is doubtful: see `Segmenter.wait`.

        Call it between two runs of VAD.  Returns whether the segment waits; False if speech went on or it ended.
        """
        is_open = self._voice is not None and self._voice.number == number
        return is_open and end % TICK == 0 and self._segmenter.wait(end // TICK)

    def drain(self) -> list[SoundEvent]:
        """Return the events since the last call, in order."""
        self._advance()
        if self._voice and self._decided - self._voice.fed >= _PIECE:
            self._grow(self._voice, self._decided)
        if self._voice and (pause := self._segmenter.pause) is not None:
            self._pause(self._voice, pause * TICK)
        if self._source.end - self._source.start >= self._forget_at:
            self._forget()
        events, self._events = self._events, []
        return events

    @property
    def line_parts(self) -> LineParts | None:
        """The parts that a compiled line runs; None if one of them is not compiled, or at 16 kHz."""
        detector, segmenter, tracker = self.detector, self._segmenter, self._background
        if self._halver or not isinstance(detector, CompiledDetector):
            return None
        if isinstance(segmenter, Segmenter) or isinstance(tracker, BackgroundTracker):
            return None
        return LineParts(detector.core, segmenter, tracker)

    @property
    def paused(self) -> int | None:
        """The latest end of the open segment that `SegmentPaused` has told."""
        return self._voice.paused if self._voice else None

    @property
    def has_speech(self) -> bool:
        """Whether a segment is open."""
        return self._voice is not None

    @property
    def patience(self) -> int:
        """The number of ticks whose audio may wait for a run with other channels, if it is not `decisive`."""
        return _OPENING_PATIENCE if self._segmenter.may_open else _PATIENCE

    @property
    def decisive(self) -> int:
        """
        Samples of the call clock that must not wait: with them a pause may end the open segment, or has a draft.

        At most `LONGEST_WAIT`; 0 and less if a decision waits for the next samples, whatever their number.
        """
        until = self._segmenter.undecided_until
        return LONGEST_WAIT if until is None else min(LONGEST_WAIT, until * TICK - self.heard)

    @property
    def heard(self) -> int:
        """Position after the last sample received."""
        return self.detector.heard

    @property
    def _received(self) -> int:
        """Position after the last sample received, at the internal rate."""
        return self._source.end if self._halver else self.detector.heard

    @property
    def told(self) -> int:
        """Position up to which all events have been returned; later audio may still become part of a segment."""
        if self._voice:
            return self._voice.fed
        return min(self.heard, max(self._segmenter.earliest * TICK, self._claimed))

    @property
    def decided(self) -> int:
        """Position up to which speech is decided: `heard`, less the audio that VAD has not decided."""
        return self._decided

    @property
    def totals(self) -> ChannelTotals:
        """The accounts of all received samples; an open segment counts as silence until it is closed."""
        return ChannelTotals(
            transcribed=self._transcribed,
            silence=self.heard - self._transcribed - sum(self._lost.values()),
            paused=self._lost[Account.PAUSED],
            lost_upstream=self._lost[Account.LOST_UPSTREAM],
            shed=self._lost[Account.SHED],
        )

    @property
    def _decided(self) -> int:
        """Position of the endpointing."""
        return self._segmenter.now * TICK

    @property
    def levels(self) -> Powers:
        """Mean powers of the latest ticks before `decided`, before the gain."""
        return self._segmenter.levels / self._gain

    @property
    def _gain(self) -> float:
        """The gain that the detector's levels have, as a ratio of powers."""
        gain_db = self._leveller.gain_db if self._leveller else 0.0
        return float(10 ** (gain_db / 10)) if gain_db else 1.0

    def _advance(self) -> None:
        """Pass the decided ticks to the endpointing."""
        segmenter = self._segmenter
        if isinstance(segmenter, Segmenter):
            self._advance_pure(segmenter)
            return
        core = cast("CompiledDetector", self.detector).core
        tracker = self._background
        assert not isinstance(tracker, BackgroundTracker)  # as `new_endpointer` chose
        while boundaries := segmenter.advance(core, tracker, self._gain):
            self._meet_all(boundaries)

    def _advance_pure(self, segmenter: Segmenter) -> None:
        ticks = self.detector.drain()
        if self._voice is None and not any([tick.voiced for tick in ticks]):  # noqa: C419 - the list takes less time
            segmenter.pass_silence([tick.level for tick in ticks])
            return
        for tick in ticks:
            if boundaries := segmenter.feed(tick.voiced, tick.level):
                self._meet_all(boundaries)
            if self._voice and self._background:
                self._separate(self._background, tick)

    def _separate(self, background: Tracker, tick: Tick) -> None:
        """Split the open segment where the own speaker begins or has ended beside another one."""
        level = tick.level / self._gain
        boundary = background.feed(self._segmenter.now - 1, level, voiced=tick.voiced)
        if boundary is not None:
            self._meet_all(self._segmenter.split(boundary))

    def _meet_all(self, boundaries: Sequence[Boundary]) -> None:
        for boundary in boundaries:
            match boundary:
                case Opened(tick):
                    self._open(max(tick * TICK, self._claimed))
                case Closed(tick, reason, padding):
                    self._close(tick, reason, padding * TICK)
                case _:
                    assert_never(boundary)

    def _open(self, start: int) -> None:
        self._voice = _Voice(self._numbers, start)
        self._numbers += 1
        if self._background:
            self._background.begin(start // TICK)
        self._events.append(SegmentOpened(self._voice.number, start))

    def _close(self, tick: int, reason: Reason, padding: int) -> None:
        """End the open segment before `tick`, or after the last received sample if `tick` is the current one."""
        voice = self._voice
        if voice is None:
            raise RuntimeError("the endpointer closed a segment that was not open")
        at_once = reason is Reason.FINISHED and tick == self._segmenter.now
        span = Span(voice.start, self.heard if at_once else tick * TICK)
        self._grow(voice, max(span.end, self._decided))
        samples = self._scale * (span.end - span.start)
        source = self._background.end(tick) if self._background else VoiceSource.OWN
        self._events.append(SegmentClosed(voice.number, span, samples, reason, source, padding))
        self._voice, self._claimed = None, span.end
        self._transcribed += span.end - span.start - sum(span.shared(x) for x in self._losses)

    def _grow(self, voice: "_Voice", end: int) -> None:
        """Extend the segment to `end`, if it is shorter."""
        if end <= voice.fed:
            return
        pcm = self._source.cut(self._scale * voice.fed, self._scale * end)
        voice.fed = end
        speaking = self._segmenter.is_speaking
        speaking = speaking and (self._background is None or self._background.is_near)
        self._events.append(SegmentGrew(voice.number, pcm, speaking))

    def _pause(self, voice: "_Voice", end: int) -> None:
        """Tell once that the segment ends at `end` unless speech goes on."""
        if voice.paused == end or not (self._background is None or self._background.is_near):
            return
        self._grow(voice, self._decided)
        voice.paused = end
        span, padding = Span(voice.start, end), self._segmenter.padding * TICK
        samples = self._scale * (end - voice.start)
        self._events.append(SegmentPaused(voice.number, span, samples, padding))

    def _feed_silence(self, samples: int) -> None:
        self.feed(np.zeros(samples, dtype=np.int16))

    def _skip(self, samples: int) -> None:
        """Add silence to the end of the tick, skip whole ticks, then add silence for the rest."""
        tick = TICK * self._scale
        padding = -self._received % tick
        self._feed_silence(padding)
        self.detector.conclude()
        self._advance()
        ticks, rest = divmod(samples - padding, tick)
        self._meet_all(self._segmenter.close(Reason.LOST))
        self._segmenter.skip(ticks)
        self.detector.skip(ticks)
        if self._halver:  # otherwise the detector's audio is the source
            self._source.jump(self._source.end + ticks * tick)
        self._feed_silence(rest)

    def _forget(self) -> None:
        """Drop the audio and the losses that no future segment can contain."""
        earliest = max(self._segmenter.earliest * TICK, self._claimed)
        self._forget_audio(earliest)
        self._forget_at = self._source.end - self._source.start + _FORGET_EVERY * self._scale
        needed = self._voice.start if self._voice else earliest
        if self._losses:
            self._losses = [lost for lost in self._losses if lost.end > needed]

    def _forget_audio(self, earliest: int) -> None:
        if self._halver:
            self._source.forget_soon(self._scale * earliest)
            self.detector.audio.forget_soon(self.detector.needed)
        else:
            self._source.forget_soon(min(earliest, self.detector.needed))


@dataclass(slots=True)
class _Voice:
    """The open segment.  `fed`: position up to which events have its audio, on the call clock."""

    number: int
    start: int
    fed: int = field(init=False)
    paused: int | None = None
    """The latest end that `SegmentPaused` has told."""

    def __post_init__(self) -> None:
        self.fed = self.start
