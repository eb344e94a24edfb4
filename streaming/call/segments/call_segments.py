"""The segments of one call, from open to settled: what is asked of the workers for each of them."""

from collections.abc import Callable
from functools import partial
from typing import assert_never

from protocol.calls.call import CallConfig
from protocol.clock import from_rate, to_seconds
from protocol.events import (
    LoadLevel,
    SegmentDropped,
    SegmentId,
    Span,
    SpeechStarted,
    TranscriptEvent,
    Withheld,
)
from protocol.events.event_codec import encode_event

from ...audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
    VoiceSource,
)
from ..call_events import CallEvents
from ..ledger import Ledger
from ..recovery import RecoveredCall, UnsettledSegment
from .drafts import Draft, Drafts
from .job_builder import JobBuilder
from .latency import LatencyTracker
from .left_out import left_out
from .partial_schedule import PartialSchedule


class CallSegments:
    """Turns sound events into writes of the ledger: audio, partials, drafts, finals and terminal events."""

    def __init__(
        self,
        ledger: Ledger,
        events: CallEvents,
        jobs: JobBuilder,
        partial_every_ms: int,
        now: Callable[[], float],
        *,
        keeps_background: bool,
    ) -> None:
        """
        `now` returns Unix seconds.

        `keeps_background`: whether background speech and crosstalk are transcribed, with a flag.
        """
        self._ledger = ledger
        self._events = events
        self._jobs = jobs
        self._open = PartialSchedule(partial_every_ms)
        self._now = now
        self._keeps_background = keeps_background
        self._latency = LatencyTracker()
        self.drafts = Drafts()
        self.count = 0
        """Number of segments that were opened, by any gateway."""

    def recall(self, recovered: RecoveredCall, config: CallConfig) -> None:
        """Take over the unsettled segments of another gateway."""
        channels = {one.segment.channel for one in recovered.unsettled_segments}
        lost_spans = {
            segment: span
            for channel in channels
            for segment, span in recovered.lost_spans(channel).items()
        }
        for unsettled in recovered.unsettled_segments:
            self._inherit(unsettled, lost_spans.get(unsettled.segment), config)

    def _inherit(
        self, unsettled: UnsettledSegment, lost_span: Span | None, config: CallConfig
    ) -> None:
        """`lost_span`: set if Redis has nothing of the segment."""
        segment, span = unsettled.segment, unsettled.span
        if lost_span is not None:
            self._drop_lost(segment, lost_span, settled=False)
        elif unsettled.settled:
            self._drop_lost(segment, span, settled=True)
        else:
            rate, queued = unsettled.rate, bool(unsettled.job)
            job = unsettled.job or self._jobs.build(
                config, segment, span.start, span.end, rate=rate
            )
            self._ledger.inherit(segment, span, unsettled.audio, rate, job, queued=queued)

    def _drop_lost(self, segment: SegmentId, span: Span, *, settled: bool) -> None:
        lost = SegmentDropped(segment, span, "its audio was lost when its gateway failed")
        self._ledger.drop(segment, span.end, encode_event(lost), queued=settled)

    def drop(self, segment: SegmentId, span: Span, reason: str) -> None:
        """End an open segment on purpose without a transcript, with `segment.dropped`."""
        self._open.end(segment)
        self.drafts.go_on(segment)
        drop_event = encode_event(SegmentDropped(segment, span, reason))
        self._ledger.drop(segment, span.end, drop_event, queued=False)

    def answered(self, segment: SegmentId) -> None:
        """Note a partial of a segment that may be closed already."""
        self._open.answered(segment)

    def waited_for(self, event: TranscriptEvent) -> float | None:
        """Return the latency of `event` in seconds, once; None if `event` answers no request."""
        return self._latency.stop(event, self._now())

    def sound(self, channel: int, event: SoundEvent, config: CallConfig, level: LoadLevel) -> None:
        """Take an event of the channel's `ChannelSegmenter`."""
        match event:
            case SegmentOpened(number, start):
                self._opened(SegmentId(channel, number), start)
            case SegmentGrew(number):
                self._grew(SegmentId(channel, number), event, config, level)
            case SegmentPaused(number):
                if level is LoadLevel.NORMAL:  # the work of a draft is in vain if speech goes on
                    self._paused(SegmentId(channel, number), event, config)
            case SegmentClosed(number):
                self._closed(SegmentId(channel, number), event, config)
            case _:
                assert_never(event)

    def _opened(self, segment: SegmentId, start: int) -> None:
        self.count += 1
        self._open.begin(segment, start)
        self._ledger.open(segment, start)
        self._events.log(SpeechStarted(segment, start))

    def _grew(
        self, segment: SegmentId, grew: SegmentGrew, config: CallConfig, level: LoadLevel
    ) -> None:
        """In a pause request no partial: the segment may end, and the partial would only delay its final."""
        audio, speaking = grew.pcm.tobytes(), grew.speaking
        start = self._open.feed(segment, from_rate(len(audio) // 2, self._ledger.rate))
        self._ledger.feed(segment, audio)
        if speaking:
            self.drafts.go_on(segment)
        wants_partials = config.partials and level < LoadLevel.NO_PARTIALS
        if wants_partials and speaking and self._open.ask(segment, level):
            self._latency.asked(segment, self._now())
            self._ledger.want_partial(segment, self._jobs.build(config, segment, start))

    def _paused(self, segment: SegmentId, paused: SegmentPaused, config: CallConfig) -> None:
        at, span, padding = self._now(), paused.span, paused.padding
        job = self._jobs.build(config, segment, span.start, span.end, padding=padding, queued_at=at)
        self.drafts.ask(segment, Draft(at, job))
        self._open.answered(segment)  # a draft ends the work on a partial
        self._ledger.want_draft(segment, job, 2 * paused.samples)

    def _closed(self, segment: SegmentId, closed: SegmentClosed, config: CallConfig) -> None:
        span, source = closed.span, closed.source
        silence = self._open.end(segment) - span.end
        if source is not VoiceSource.OWN and not self._keeps_background:
            final = encode_event(left_out(segment, span, Withheld(source.value), config))
            self._ledger.drop(segment, span.end, final, queued=False)
            self.drafts.go_on(segment)
            return
        self._latency.spoken(segment, self._now() - to_seconds(max(0, silence)))
        job = self._final_job(segment, closed, config)
        self._ledger.close(segment, span, 2 * closed.samples, job)

    def _final_job(self, segment: SegmentId, closed: SegmentClosed, config: CallConfig) -> bytes:
        """The job of a final: that of its draft, if it differs in nothing but the time."""
        flags = () if closed.source is VoiceSource.OWN else (closed.source.value,)
        start, end = closed.span.start, closed.span.end
        build = partial(
            self._jobs.build, config, segment, start, end, flags=flags, padding=closed.padding
        )
        if draft := self.drafts.end(segment):
            job = build(queued_at=draft.at)
            if job == draft.job:
                return job
            self.drafts.refuse()
        return build()
