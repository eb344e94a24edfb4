"""One channel of a call: turns frames in any order into sound events, gaps and warnings for the call."""

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import assert_never

from protocol.audio import Pcm, decode
from protocol.bridge_events import CodedAudio
from protocol.clock import CALL_RATE, at_rate, from_rate
from protocol.events import Account, ChannelTotals, Fault, LineWarning, SegmentId, Span
from protocol.scheduling.draft_doubts import DraftDoubt

from ...audio.arrived_frames import ArrivedFrames
from ...audio.channel_line import (
    NEWS_ARRIVAL,
    NEWS_BLOCK,
    NEWS_KEYS,
    LineCore,
    LineFrames,
    new_frames,
)
from ...audio.channel_segmenter import ChannelSegmenter
from ...audio.crosstalk import CrosstalkDetector, LevelTrace
from ...audio.dtmf import DtmfDeduplicator, DtmfDetector, Key
from ...audio.endpointing import TICK
from ...audio.jitter_buffer import Gap, JitterBuffer, Late, Placed, Placement
from ...audio.quality.channel_quality import ChannelQuality
from ...audio.quality.monitor import QualityMonitor, reason
from ...audio.replay import LostAudio, ReceivedAudio, Replay
from ...audio.resampler import RateConverter, internal_rate
from ...audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
)
from ...audio.vad_batcher import VadBatcher
from ...audio_writer import CallAudio
from ...call.call import Call
from .channel_origin import ChannelOrigin


class Channel:
    """
    Puts frames in order, segments the audio, and passes the results to the call.

    Signal path: `JitterBuffer`, `RateConverter`, `DtmfDetector`, `ChannelSegmenter`, `QualityMonitor`, `Call`.
    """

    def __init__(
        self,
        number: int,
        rate: int,
        segmenter: ChannelSegmenter,
        vad_batcher: VadBatcher,
        call: Call,
        origin: ChannelOrigin,
        quality_monitor: QualityMonitor,
        crosstalk: CrosstalkDetector,
        clock: Callable[[], float] = time.monotonic,
        audio: CallAudio | None = None,
    ) -> None:
        """
        `rate`: sample rate of the bridge, in Hz.  All channels of the call share `quality_monitor` and `crosstalk`.

        `clock` returns monotonic seconds, for the arrival times of audio.  `audio`: None if it is not kept.
        """
        self._number = number
        self._rate = rate
        self._scale = internal_rate(rate) // CALL_RATE
        self._origin = origin
        self._jitter_buffer = JitterBuffer(rate, start=at_rate(origin.position, rate))
        self._converter = RateConverter(rate, self._jitter_buffer.next)
        self._wake: Callable[[], None] = lambda: None
        self.segmenter = segmenter
        self._vad_batcher = vad_batcher
        self._call = call
        self._crosstalk = crosstalk
        self.quality = ChannelQuality(quality_monitor, number, rate)
        self._clock = clock
        self._audio = audio
        self._replay = Replay(internal_rate(rate))
        self.dtmf_detector = DtmfDetector(internal_rate(rate))
        self._dtmf_dedup = DtmfDeduplicator()
        self._frames = self._new_frames(self._jitter_buffer.next, is_paused=call.config.paused)
        self.companions: Sequence[Channel] = ()
        """The channels of the call whose levels are compared when a segment ends."""

        self.late = 0
        """Samples dropped because they arrived too late or twice, at the bridge's rate."""

    def _new_frames(self, position: int, *, is_paused: bool) -> ArrivedFrames:
        parts = self.segmenter.line_parts if self._rate == CALL_RATE else None
        frames = new_frames(
            position, self.quality.block, parts, self.dtmf_detector.windows, is_paused=is_paused
        )
        frames.urgent_from = at_rate(self.segmenter.decisive, self._rate)
        return frames

    def _renew_frames(self) -> None:
        """A new segmenter has begun, and no frame waits."""
        parts, frames = self.segmenter.line_parts, self._frames
        if isinstance(frames, LineFrames) and parts is not None:
            frames.attach(parts)
            self._heed(at_once=True)
        else:
            self._frames = self._new_frames(frames.position, is_paused=frames.is_paused)
            if dropped := frames.take_dropped():
                self._frames.drop(dropped.start, dropped.end)

    @property
    def line(self) -> LineCore | None:
        """The compiled line that the batcher runs; None: it calls `catch_up` instead."""
        frames = self._frames
        if self._call.holds_keys or not isinstance(frames, LineFrames):
            return None
        return frames.line

    @property
    def heard(self) -> int:
        """End of the audio that the segmenter has received, on the call clock."""
        return self._origin.position + self.segmenter.heard + self.waiting

    @property
    def waiting(self) -> int:
        """Samples that have arrived in order and wait for the next tick, on the call clock."""
        return from_rate(self._frames.samples, self._rate)

    @property
    def is_urgent(self) -> bool:
        """Whether the waiting audio is long, or may end a segment."""
        return self._frames.is_urgent

    @property
    def told(self) -> int:
        """End of the audio whose events have been passed to the call, on the call clock."""
        return self._origin.position + self.segmenter.told

    @property
    def _decided(self) -> int:
        """End of the audio of which speech is decided, on the call clock."""
        return self._origin.position + self.segmenter.decided

    @property
    def arrived(self) -> int:
        """End of the audio that has arrived in order, on the call clock."""
        return from_rate(self._jitter_buffer.next, self._rate)

    @property
    def totals(self) -> ChannelTotals:
        """How many samples of the channel went to each account."""
        before, since = astuple(self._origin.totals), astuple(self.segmenter.totals)
        return ChannelTotals(*(a + b for a, b in zip(before, since, strict=True)))

    @property
    def trace(self) -> LevelTrace:
        """The latest levels of the channel, for the search for crosstalk."""
        return LevelTrace(self._decided // TICK, self.segmenter.levels)

    @property
    def levels(self) -> tuple[float, float] | None:
        """The levels of the bridge's audio, as `QualityMonitor.levels`."""
        return self.quality.levels

    def attach(self, wake: Callable[[], None]) -> None:
        """Set the function that is called when the call has something to write."""
        self._wake = wake

    def receive(self, position: int | None, pcm: Pcm) -> None:
        """
        Take a frame: `pcm` is int16 `[n]` at the bridge's rate.

        `position`: its first sample, at the bridge's rate; None: it follows the previous frame.
        """
        start = self._jitter_buffer.next
        if self._jitter_buffer.advance(position, len(pcm)):
            if self._frames.add(start, pcm):
                self._vad_batcher.soon(self)
        else:
            self._place(self._jitter_buffer.place(position, pcm))

    def receive_coded(self, audio: CodedAudio) -> None:
        """Take a frame as `receive` does.  In order, it is decoded at the next tick."""
        start = self._jitter_buffer.next
        if self._jitter_buffer.advance(audio.position, audio.samples):
            if self._frames.add_coded(start, audio):
                self._vad_batcher.soon(self)
        else:
            self.receive(audio.position, decode(audio.payload, audio.encoding))

    def catch_up(self) -> None:
        """Pass the frames that have arrived to the segmenter, without running voice activity detection."""
        frames = self._frames
        if frames.samples:
            self._measure_arrival()
            if isinstance(frames, LineFrames) and self._call.holds_keys:
                self._call.listen(self._number, frames.position)
        start, pcm = frames.take()
        if len(pcm):
            self._file(start, pcm)
            self._heed()

    def take_news(self, news: int) -> Sequence[SoundEvent]:
        """Take what a run of `line` has found: bits as `NEWS_KEYS`.  Returns the events of the segmenter."""
        frames = self._frames
        if not isinstance(frames, LineFrames):
            raise TypeError("news of a channel without a line")
        if news & NEWS_ARRIVAL:
            self._measure_arrival()
        if news & NEWS_KEYS:
            self.pressed([Key(digit, at) for digit, at in frames.line.take_keys()])
        if news & NEWS_BLOCK:
            self._file(*frames.take())
        return self.segmenter.drain()

    def _measure_arrival(self) -> None:
        if (now := self._clock()) >= self.quality.due_at:
            self.warn(self.quality.arrive(self.arrived, now))

    def _file(self, start: int, pcm: Pcm) -> None:
        """Pass samples from `start`, at the bridge's rate, on; what a line has processed is only kept here."""
        self.quality.add(start, pcm)
        self._listen_to(self._converter.feed(pcm))

    def keep_from(self, position: int) -> None:
        """Redis has everything before `position`, on the call clock: forget the replay audio before it."""
        self._replay.forget(self._internal(position))

    def restart(self, segmenter: ChannelSegmenter, call: Call, origin: ChannelOrigin) -> None:
        """
        Continue with a new `Call` object, which knows the channel up to `origin`.

        Audio after that position is processed again by the new `segmenter`.  Warnings and DTMF digits are not
        repeated.
        """
        self._call = call
        self.catch_up()
        self._vad_batcher.forget(self)
        self.segmenter, self._origin = segmenter, origin
        self._renew_frames()
        self.quality.forget_segment()
        for piece in self._replay.since(self._internal(origin.position), self._converter.given):
            match piece:
                case ReceivedAudio(_, pcm):
                    segmenter.feed(pcm)
                case LostAudio():
                    self._lose_again(piece)
                case _:
                    assert_never(piece)
        self._vad_batcher.soon(self)

    def _lose_again(self, lost: LostAudio) -> None:
        self._vad_batcher.now(self)
        self.segmenter.lose(lost.end - lost.position, lost.account)
        self._heed(at_once=True)
        if not lost.told:
            span = Span(lost.position // self._scale, lost.end // self._scale)
            self._call.miss(self._number, span, "lost when its gateway failed", lost.account)

    def _internal(self, position: int) -> int:
        """Convert `position` on the call clock to a sample at the internal rate."""
        return self._converter.position(at_rate(position, self._rate))

    def press(self, digit: str) -> None:
        """The bridge signals a DTMF digit at the current position."""
        self.catch_up()
        if self._dtmf_dedup.is_new(digit, self.heard, signalled=True):
            self._call.press(self._number, digit, self.heard)
            self._wake()

    def withhold(self, *, paused: bool) -> None:
        """Drop all audio from now on; with `paused` false, report it as one gap and process audio again."""
        if not paused:
            self._place(self._jitter_buffer.flush())  # late frames are of the pause
            self._report_withheld()
        self._frames.is_paused = paused

    def _report_withheld(self) -> None:
        """Report the audio that was dropped since the last report."""
        if span := self._frames.take_dropped():
            self._lose(span.start, span.end, "paused by the site", Account.PAUSED)

    def begin_at(self, position: int) -> None:
        """
        Place the next frame at `position`, on the call clock.

        Before the first audio of the channel this reports no gap.
        """
        start = at_rate(position, self._rate)
        if self.segmenter.heard or self._jitter_buffer.next != at_rate(
            self._origin.position, self._rate
        ):
            self.skip_to(position)
        else:
            self._origin = replace(self._origin, position=position)
            self._jitter_buffer = JitterBuffer(self._rate, start=start)
            self._converter = RateConverter(self._rate, start)
            self._frames.position = start

    def skip_to(self, position: int) -> None:
        """Report a gap from the current position to `position`, on the call clock."""
        self._place(self._jitter_buffer.skip_to(at_rate(position, self._rate)))

    def skip(self, samples: int, reason: str, account: Account) -> None:
        """Skip `samples`, at the bridge's rate: audio that must not be processed or will not arrive."""
        placements = self._jitter_buffer.skip_to(self._jitter_buffer.next + samples)
        self._place(placements, reason, account)

    def listen_now(self) -> None:
        """Process all audio that has arrived, because the next event refers to it."""
        self.catch_up()
        self._listen_to(self._converter.flush())
        self._vad_batcher.now(self)
        self._vad_batcher.measure([self])

    def wait(self, doubt: DraftDoubt) -> bool:
        """
        The draft of a segment of this channel is doubtful: let the segment wait for more speech.

        Returns whether it waits; False if it has ended, or speech has gone on.
        """
        number = doubt.segment.number - self._origin.segments
        waits = self.segmenter.wait(number, doubt.end - self._origin.position)
        if waits:
            self._heed()
        return waits

    def finalize(self) -> None:
        """Close the open segment at the current position; the channel continues."""
        self.listen_now()
        self.notify(self.segmenter.finish())

    def finish(self) -> None:
        """No more audio follows: process frames that waited for earlier ones, and close the open segment."""
        self._place(self._jitter_buffer.flush())
        self._report_withheld()
        self.finalize()
        if self._audio is not None:
            self._audio.flush(self._number)

    def _place(
        self,
        placements: list[Placement],
        reason: str = "lost upstream",
        account: Account = Account.LOST_UPSTREAM,
    ) -> None:
        for placement in placements:
            match placement:
                case Placed(start, pcm):
                    if self._frames.add(start, pcm):
                        self._vad_batcher.soon(self)
                case Gap(start, end) if self._frames.is_paused:
                    self._frames.drop(start, end)
                case Gap(start, end):
                    self._lose(start, end, reason, account)
                case Late(samples):
                    self.late += samples
                case _:
                    assert_never(placement)

    def _listen_to(self, pcm: Pcm) -> None:
        """Process the next samples: int16 `[n]` at the internal rate."""
        if not len(pcm):
            return
        start = self._converter.given - len(pcm)
        self._replay.hear(start, pcm)
        if self._audio is not None:
            self._audio.add(self._number, start, pcm)
        if isinstance(self._frames, LineFrames):
            return  # it has passed the samples on itself
        self.dtmf_detector.add(start, pcm)
        if self._call.holds_keys:
            self._call.listen(self._number, start // self._scale)
        self.segmenter.feed(pcm)

    def pressed(self, keys: Sequence[Key]) -> None:
        """Pass digits that were detected in the audio to the call."""
        for key in keys:
            at = key.at // self._scale
            if self._dtmf_dedup.is_new(key.digit, at, signalled=False):
                self._call.press(self._number, key.digit, at)
                self._wake()

    def _lose(self, start: int, end: int, reason: str, account: Account) -> None:
        self.listen_now()
        self._frames.position = end
        at = self._converter.given
        samples = self._converter.skip(end - start)
        self._replay.lose(LostAudio(at, at + samples, account))
        self.segmenter.lose(samples, account)
        self._heed(at_once=True)
        span = Span(from_rate(start, self._rate), from_rate(end, self._rate))
        self._call.miss(self._number, span, reason, account)
        self._wake()
        if account is Account.LOST_UPSTREAM:
            self.warn(self.quality.lose(span))

    def notify(self, events: Sequence[SoundEvent]) -> None:
        """Pass events of the segmenter to the call."""
        placed = self.place(events)
        if self.must_measure(placed):
            self._vad_batcher.measure([self])
        self.tell(placed)

    def place(self, events: Sequence[SoundEvent]) -> Sequence[SoundEvent]:
        """Return events of the segmenter with positions of the call, for `tell`."""
        placed = self._origin.place_all(events)
        self.quality.segment(placed, self._decided)
        self._heed()
        return placed

    def must_measure(self, events: Sequence[SoundEvent]) -> bool:
        """
        Return whether line quality must be measured before `tell`; otherwise it is measured soon.

        A final may follow, or a partial while several blocks wait: their audio may be misread.
        """
        if not self.quality.has_blocks:
            return False
        urgent = (SegmentClosed, SegmentGrew) if self.quality.is_behind else SegmentClosed
        if any(isinstance(event, urgent) for event in events):
            return True
        self._vad_batcher.measure_soon(self)
        return False

    def tell(self, placed: Sequence[SoundEvent]) -> None:
        """Pass events of `place` to the call."""
        if not placed:
            return
        self._wake()
        fault = self.quality.misread
        for event in placed:
            if fault is not None:
                self._give_up(event, fault)
            elif isinstance(event, SegmentClosed):
                self._call.sound(self._number, self._crosstalk.judge(self._number, event))
            else:
                self._call.sound(self._number, event)

    def _heed(self, *, at_once: bool = False) -> None:
        """
        Set what the next run of the line compares.

        `at_once`: the segmenter may have events that the line does not know.
        """
        segmenter, frames = self.segmenter, self._frames
        if isinstance(frames, LineFrames):
            due = 0 if at_once else self.quality.due - self._origin.position
            frames.line.due_at = self.quality.due_at
            paused = segmenter.paused
            frames.line.heed(segmenter.told, -1 if paused is None else paused, max(0, due))
        else:
            frames.urgent_from = at_rate(segmenter.decisive, self._rate)

    def _give_up(self, event: SoundEvent, fault: Fault) -> None:
        """Drop the segments of a channel with misread audio: they get no partial and no final."""
        match event:
            case SegmentClosed(number, span):
                self.segmenter.shed(span.end - span.start)
                self._call.drop(SegmentId(self._number, number), span, reason(fault))
            case SegmentGrew():
                self._call.sound(self._number, replace(event, speaking=False))
            case SegmentOpened():
                self._call.sound(self._number, event)
            case SegmentPaused():
                pass
            case _:
                assert_never(event)

    def warn(self, warnings: Sequence[LineWarning]) -> None:
        """Pass new warnings about line quality to the call."""
        for warning in warnings:
            self._call.warn(warning)
            self._wake()
