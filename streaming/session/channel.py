"""One channel of a call: from frames in any order to what the call is told of it."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace
from typing import assert_never

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, at_rate, from_rate
from protocol.events import Account, ChannelTotals, Fault, LineWarning, SegmentId, Span

from ..audio.channel_segmenter import (
    ChannelSegmenter,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SoundEvent,
)
from ..audio.dtmf import DtmfDeduplicator, DtmfDetector
from ..audio.jitter_buffer import Gap, JitterBuffer, Late, Placed, Placement
from ..audio.quality.monitor import QualityMonitor, reason
from ..audio.replay import Heard, Lost, Replay
from ..audio.resampler import RateConverter, internal_rate
from ..audio.vad_batcher import VadBatcher
from ..call.call import Call


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a channel begins: not at 0 when the call was another connection's before."""

    position: int = 0
    segments: int = 0
    totals: ChannelTotals = field(default_factory=ChannelTotals)

    def place(self, event: SoundEvent) -> SoundEvent:
        """What an ear has made out, on the clock of the whole call."""
        number = event.number + self.segments
        match event:
            case SegmentOpened(start=start):
                return replace(event, number=number, start=start + self.position)
            case SegmentClosed(span=span):
                span = Span(span.start + self.position, span.end + self.position)
                return replace(event, number=number, span=span)
            case SegmentGrew():
                return replace(event, number=number)
            case _:
                assert_never(event)


class Channel:
    """Put frames in order, let the ear hear them, tell the call.  `rate` is the bridge's, in Hz."""

    def __init__(
        self,
        number: int,
        rate: int,
        segmenter: ChannelSegmenter,
        vad_batcher: VadBatcher,
        call: Call,
        origin: Origin,
        quality_monitor: QualityMonitor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`passport` is that of the whole call; `clock` says, in seconds, when audio comes."""
        self._number = number
        self._rate = rate
        self._scale = internal_rate(rate) // CALL_RATE
        self._origin = origin
        self._jitter_buffer = JitterBuffer(rate, start=at_rate(origin.position, rate))
        self._converter = RateConverter(rate, self._jitter_buffer.next)
        self._unjudged: deque[tuple[int, Pcm]] = deque()
        """Frames that the passport has not seen: the ear has not decided yet where they hold speech."""

        self._speech_from: int | None = None
        """Where the open segment begins, on the call clock."""

        self._segmenter = segmenter
        self._vad_batcher = vad_batcher
        self._call = call
        self._quality_monitor = quality_monitor
        self._clock = clock
        self._replay = Replay(internal_rate(rate))
        self._dtmf_detector = DtmfDetector(internal_rate(rate))
        self._dtmf_dedup = DtmfDeduplicator()
        self.late = 0
        """Samples that came too late or twice, and were dropped."""

    @property
    def heard(self) -> int:
        """Where the channel stands, on the call clock."""
        return self._origin.position + self._segmenter.heard

    @property
    def told(self) -> int:
        """Up to where the call has been told everything, on the call clock."""
        return self._origin.position + self._segmenter.told

    @property
    def arrived(self) -> int:
        """Up to where audio has come, in order, on the call clock."""
        return from_rate(self._jitter_buffer.next, self._rate)

    @property
    def totals(self) -> ChannelTotals:
        """Where its audio went."""
        before, since = astuple(self._origin.totals), astuple(self._segmenter.totals)
        return ChannelTotals(*(a + b for a, b in zip(before, since, strict=True)))

    def receive(self, position: int | None, pcm: Pcm, deliver: Callable[[], None]) -> None:
        """Take in a frame; `deliver` is called when something has been made out of it."""
        self._place(self._jitter_buffer.place(position, pcm))
        self._warn(self._quality_monitor.arrive(self._number, self.arrived, self._clock()))
        self._listen_soon(deliver)

    def keep_from(self, position: int) -> None:
        """Redis has everything before `position`, on the call clock."""
        self._replay.forget(self._internal(position))

    def restart(
        self, segmenter: ChannelSegmenter, call: Call, origin: Origin, deliver: Callable[[], None]
    ) -> None:
        """
        Go on for another account of the call, which knows the channel up to `origin`.

        What came behind it is heard again, with a new ear; faults and keys have been told already.
        """
        self._vad_batcher.forget(self._segmenter)
        self._segmenter, self._call, self._origin = segmenter, call, origin
        self._speech_from = None
        for piece in self._replay.since(self._internal(origin.position), self._converter.given):
            match piece:
                case Heard(_, pcm):
                    segmenter.feed(pcm)
                case Lost():
                    self._lose_again(piece)
                case _:
                    assert_never(piece)
        self._listen_soon(deliver)

    def _lose_again(self, lost: Lost) -> None:
        self._vad_batcher.now(self._segmenter, self._notify)
        self._segmenter.lose(lost.end - lost.position, lost.account)
        if not lost.told:
            span = Span(lost.position // self._scale, lost.end // self._scale)
            self._call.miss(self._number, span, "lost with its gateway", lost.account)

    def _internal(self, position: int) -> int:
        """The first sample, at the internal rate, of a channel that begins at `position`, on the call clock."""
        return self._converter.position(at_rate(position, self._rate))

    def _listen_soon(self, deliver: Callable[[], None]) -> None:
        def told(events: list[SoundEvent]) -> None:
            self._notify(events)
            deliver()

        self._vad_batcher.soon(self._segmenter, told)

    def press(self, digit: str) -> None:
        """The bridge signals a telephone key here and now."""
        if self._dtmf_dedup.is_new(digit, self.heard, signalled=True):
            self._call.press(self._number, digit, self.heard)

    def begin_at(self, position: int) -> None:
        """What comes next begins at `position`, on the call clock; before the first sound nothing is missing."""
        start = at_rate(position, self._rate)
        if self._segmenter.heard or self._jitter_buffer.next != at_rate(
            self._origin.position, self._rate
        ):
            self.skip_to(position)
        else:
            self._origin = replace(self._origin, position=position)
            self._jitter_buffer = JitterBuffer(self._rate, start=start)
            self._converter = RateConverter(self._rate, start)

    def skip_to(self, position: int) -> None:
        """Nothing came between where the channel stands and `position`, on the call clock."""
        self._place(self._jitter_buffer.skip_to(at_rate(position, self._rate)))

    def skip(self, samples: int, reason: str, account: Account) -> None:
        """So many samples, in the bridge's rate, are not to be heard or will not come."""
        placements = self._jitter_buffer.skip_to(self._jitter_buffer.next + samples)
        self._place(placements, reason, account)

    def listen_now(self) -> None:
        """Hear out what has arrived, because something that comes next refers to it."""
        self._listen_to(self._converter.flush())
        self._vad_batcher.now(self._segmenter, self._notify)

    def finalize(self) -> None:
        """Close the open segment here and now; hearing goes on."""
        self.listen_now()
        self._notify(self._segmenter.finish())

    def finish(self) -> None:
        """Nothing more will come: what waited for its predecessors is heard, the open segment closed."""
        self._place(self._jitter_buffer.flush())
        self.finalize()

    def _place(
        self,
        placements: list[Placement],
        reason: str = "lost upstream",
        account: Account = Account.LOST_UPSTREAM,
    ) -> None:
        for placement in placements:
            match placement:
                case Placed(start, pcm):
                    self._feed(start, pcm)
                case Gap(start, end):
                    self._lose(start, end, reason, account)
                case Late(samples):
                    self.late += samples
                case _:
                    assert_never(placement)

    def _feed(self, start: int, pcm: Pcm) -> None:
        self._unjudged.append((start, pcm))
        self._listen_to(self._converter.feed(pcm))

    def _listen_to(self, pcm: Pcm) -> None:
        """Take in what comes next, at the internal rate."""
        if not len(pcm):
            return
        start = self._converter.given - len(pcm)
        self._replay.add(Heard(start, pcm))
        for key in self._dtmf_detector.feed(start, pcm):
            at = key.at // self._scale
            if self._dtmf_dedup.is_new(key.digit, at, signalled=False):
                self._call.press(self._number, key.digit, at)
        self._segmenter.feed(pcm)

    def _lose(self, start: int, end: int, reason: str, account: Account) -> None:
        self.listen_now()
        at = self._converter.given
        samples = self._converter.skip(end - start)
        self._replay.add(Lost(at, at + samples, account))
        self._segmenter.lose(samples, account)
        span = Span(from_rate(start, self._rate), from_rate(end, self._rate))
        self._call.miss(self._number, span, reason, account)
        if account is Account.LOST_UPSTREAM:
            self._warn(self._quality_monitor.lose(self._number, span))

    def _notify(self, events: list[SoundEvent]) -> None:
        placed = [self._origin.place(event) for event in events]
        self._check_quality(placed)
        fault = self._quality_monitor.misread(self._number)
        for event in placed:
            if fault is None:
                self._call.sound(self._number, event)
            else:
                self._give_up(event, fault)

    def _check_quality(self, events: list[SoundEvent]) -> None:
        """Let the passport see the frames of which the ear has decided whether they hold speech."""
        spans = []
        for event in events:
            match event:
                case SegmentOpened(start=start):
                    self._speech_from = start
                case SegmentClosed(span=span):
                    self._speech_from = None
                    spans.append(span)
                case SegmentGrew():
                    pass
                case _:
                    assert_never(event)
        decided = self._origin.position + self._segmenter.decided
        while self._unjudged and self._end_of(self._unjudged[0]) <= decided:
            start, pcm = self._unjudged.popleft()
            at = from_rate(start, self._rate)
            speaking = self._is_speech(at, spans)
            self._warn(self._quality_monitor.feed(self._number, start, pcm, speaking=speaking))

    def _end_of(self, frame: tuple[int, Pcm]) -> int:
        return from_rate(frame[0] + len(frame[1]), self._rate)

    def _is_speech(self, at: int, spans: list[Span]) -> bool:
        """Whether `at`, on the call clock, lies in the open segment or in one of `spans`."""
        is_open = self._speech_from is not None and at >= self._speech_from
        return is_open or any(span.start <= at < span.end for span in spans)

    def _give_up(self, event: SoundEvent, fault: Fault) -> None:
        """Audio that is not what was said must not become words: no partial, no final."""
        match event:
            case SegmentClosed(number, span):
                self._segmenter.shed(span.end - span.start)
                self._call.drop(SegmentId(self._number, number), span, reason(fault))
            case SegmentGrew():
                self._call.sound(self._number, replace(event, speaking=False))
            case SegmentOpened():
                self._call.sound(self._number, event)
            case _:
                assert_never(event)

    def _warn(self, warnings: list[LineWarning]) -> None:
        for warning in warnings:
            self._call.warn(warning)
