"""
One call, from its first message to `call.ended`: decisions only.

Bridge events and sounds go in; what is to be written collects in the ledger, what comes back from the log
goes in by `learn`.  No sockets, no clock, no Redis, no model.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from protocol.bridge_events import BridgeWarning
from protocol.call import CallConfig, Role
from protocol.clock import UPSAMPLING, to_seconds
from protocol.event_codec import decode_entry, encode_event
from protocol.events import (
    Account,
    AudioGap,
    CallEnded,
    CallStarted,
    CallWarning,
    ChannelTotals,
    DtmfPressed,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    LoadLevel,
    LoggedEvent,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    TranscriptEvent,
)
from protocol.jobs import Job, encode_job
from protocol.worker_capacity import Task

from ..audio.channel_segmenter import SegmentClosed, SegmentGrew, SegmentOpened, SoundEvent
from .bridge_warnings import BridgeWarnings
from .event_keys import name_of
from .latency import LatencyTracker
from .ledger import Ledger
from .marks import Marks
from .partial_schedule import PartialSchedule
from .recovery import RecoveredCall, UnsettledSegment

BYTES_PER_SAMPLE = 2 * UPSAMPLING
"""Bytes of stored audio for each sample of the call clock."""


class Phase(Enum):
    """Where the call stands; owned by `Call`."""

    LIVE = auto()
    ENDING = auto()
    """Nothing more is heard; terminal events are awaited."""

    ENDED = auto()
    """`call.ended` has been given to the log."""

    OVER = auto()
    """`call.ended` has come back from the log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a call is known by, and how it came."""

    call_id: str
    log: str
    """Random name of the call's log: results for another one are refused."""

    roles: tuple[Role, ...]
    dialect: str
    started_at: float


class Call:
    """The account of one call.  Positions are samples of the call clock; `now` is a wall clock, in seconds."""

    def __init__(
        self,
        identity: Identity,
        config: CallConfig,
        ledger: Ledger,
        partial_every_ms: int,
        now: Callable[[], float],
        keyword_limit: Callable[[Task], int | None] = lambda _: None,
    ) -> None:
        """`keyword_limit`: most keywords that the workers for a task can use in one segment; None: no limit."""
        self._keyword_limit = keyword_limit
        self.identity = identity
        self.config = config
        self.ledger = ledger
        self.phase = Phase.LIVE
        self.recalled = 0
        """The last seq that was there when the call was taken over."""

        self._latency = LatencyTracker()
        self._now = now
        self._open = PartialSchedule(partial_every_ms)
        self._marks = Marks()
        self._segments = 0
        self._last_word: CallEnded | None = None
        self._withheld: Counter[int] = Counter()
        self._level = LoadLevel.NORMAL
        self._lack = ""
        self._levels = 0
        self._warnings = BridgeWarnings()

    def start(self, rejected_keywords: tuple[str, ...] = ()) -> None:
        """The first events of the log."""
        started = CallStarted(
            self.identity.roles,
            self.config.language,
            self.identity.dialect,
            self.identity.started_at,
        )
        self._log(started)
        if self.config.keywords.terms or rejected_keywords:
            self._acknowledge_keywords(rejected_keywords)

    def recall(self, recovered: RecoveredCall) -> None:
        """Go on where another gateway has stopped: what it left is ours to bring to its end."""
        for entry in recovered.entries:
            self._remember(entry)
        self.recalled = recovered.last_seq
        for unsettled_segment in recovered.unsettled_segments:
            self._inherit(unsettled_segment)
        if not recovered.entries:
            self.start(recovered.checkpoint.rejected_keywords)

    def carry_over(self, former: "Call") -> tuple[str, ...]:
        """
        Say what `former`, the account that was kept of the call before, had not got into the log.

        Its segments are not said: they are heard again.  Gives the marks that it had not answered.
        """
        said = {event.name for event in self.ledger.known}
        answers: list[str] = []
        for unsaid in former.ledger.pending:
            match decode_entry(None, unsaid.payload).event:
                case MarkReached(name):
                    answers.append(name)
                case KeywordsApplied() | AudioGap() | DtmfPressed() | LineWarning():
                    if unsaid.name not in said:
                        self.ledger.log(unsaid.name, unsaid.payload)
                case _:
                    pass
        self.set_load_level(former._level)  # the same class
        return (*answers, *former.marks)

    def is_of_another(self, entry: Entry) -> bool:
        """Whether an entry of the log shows that somebody else has gone on with the call, and not as we would."""
        match entry.event:
            case CallEnded():
                return self.phase not in (Phase.ENDED, Phase.OVER)
            case (
                Final(segment, span) | SegmentFailed(segment, span) | SegmentDropped(segment, span)
            ):
                return self.is_news(entry) and self.ledger.ends_early(segment, span.end)
            case _:
                return False

    @property
    def marks(self) -> tuple[str, ...]:
        """The names of marks that are not answered."""
        return self._marks.waiting

    @property
    def end_reason(self) -> str | None:
        """Why nothing more is heard; None while the call is live."""
        return self._last_word.reason if self._last_word else None

    def _remember(self, entry: Entry) -> None:
        if isinstance(entry.event, Partial):
            return
        self.ledger.apply(self._name_of(entry.event), encode_event(entry.event))
        match entry.event:
            case SpeechStarted():
                self._segments += 1
            case MarkReached():
                self._marks.recall()
            case LoadChanged(number, level, reason):
                self._levels, self._level, self._lack = number + 1, level, reason
            case CallWarning() as logged:
                self._warnings.recall(logged)
            case Final():
                self._count_withheld(entry.event)
            case _:
                pass

    def _count_withheld(self, final: Final) -> None:
        if final.is_withheld:
            self._withheld[final.segment.channel] += final.span.end - final.span.start

    def _inherit(self, unsettled_segment: UnsettledSegment) -> None:
        segment, span = unsettled_segment.segment, unsettled_segment.span
        if unsettled_segment.audio:
            job = unsettled_segment.job or self._job(segment, span.start, span.end)
            self.ledger.inherit(
                segment, span, unsettled_segment.audio, job, queued=bool(unsettled_segment.job)
            )
            return
        lost = SegmentDropped(segment, span, "its audio was lost with its gateway")
        self.ledger.drop(segment, span.end, encode_event(lost), queued=unsettled_segment.settled)

    def change_keywords(self, terms: tuple[str, ...], rejected: tuple[str, ...]) -> None:
        """From here on every segment that ends is biased towards `terms`."""
        self.config = self.config.with_keywords(terms)
        self._acknowledge_keywords(rejected)

    def change_language(self, language: str) -> None:
        """From here on every segment that ends is taken to be in `language`, ISO 639."""
        self.config = replace(self.config, language=language)

    def set_load_level(self, level: LoadLevel, reason: str = "") -> bool:
        """
        The workers are behind, or have caught up: partials come accordingly.  Whether that is news.

        `reason`: that no living worker can do what the call needs.
        """
        if self.phase is not Phase.LIVE or (level, reason) == (self._level, self._lack):
            return False
        self._level, self._lack = level, reason
        self._log(LoadChanged(self._levels, level, reason))
        self._levels += 1
        return True

    def press(self, channel: int, digit: str, at: int) -> None:
        """A telephone key."""
        self._log(DtmfPressed(channel, digit, at))

    def miss(
        self, channel: int, span: Span, reason: str, account: Account = Account.LOST_UPSTREAM
    ) -> None:
        """Audio that never came, or was not to be heard; the clock has been advanced over it."""
        self._log(AudioGap(channel, span, reason, account))

    def warn(self, warning: LineWarning) -> None:
        """Something is wrong with the audio of a channel."""
        self._log(warning)

    def warn_of(self, warning: BridgeWarning) -> None:
        """Log that something the bridge sent was ignored, unless the log has a warning of this kind."""
        if logged := self._warnings.note(warning):
            self._log(logged)

    def drop(self, segment: SegmentId, span: Span, reason: str) -> None:
        """An open segment ends here, and is given up on purpose."""
        self._open.end(segment)
        drop_event = encode_event(SegmentDropped(segment, span, reason))
        self.ledger.drop(segment, span.end, drop_event, queued=False)

    def mark(self, name: str) -> None:
        """Answer `name` when every segment that is now open or unsettled has its terminal event."""
        self._marks.ask(name, self.ledger.unsettled)
        self._answer_marks()

    def sound(self, channel: int, event: SoundEvent) -> None:
        """What the ear of a channel has made out."""
        match event:
            case SegmentOpened(number, start):
                self._segment_opened(SegmentId(channel, number), start)
            case SegmentGrew(number, pcm, speaking):
                self._segment_grew(SegmentId(channel, number), pcm.tobytes(), speaking=speaking)
            case SegmentClosed(number, span, samples, _):
                self._segment_closed(SegmentId(channel, number), span, 2 * samples)
            case _:
                assert_never(event)

    def end(self, reason: str, totals: Sequence[ChannelTotals], duration: int) -> None:
        """Nothing more is heard.  `call.ended` follows when every segment has its terminal event."""
        if self.phase is not Phase.LIVE:
            return
        self.phase = Phase.ENDING
        self._last_word = CallEnded(reason, duration, self._segments, tuple(totals))
        self._end_if_settled()

    def is_news(self, entry: Entry) -> bool:
        """Whether it happened since the call is ours; what was recalled is known."""
        return entry.seq is None or entry.seq > self.recalled

    def waited_for(self, event: TranscriptEvent) -> float | None:
        """Seconds that an answer was waited for, told once; None for what answers nothing."""
        return self._latency.stop(event, self._now())

    def apply(self, entry: Entry) -> None:
        """What came back from the log, or a partial."""
        if not self.is_news(entry):
            return
        if isinstance(entry.event, Partial):
            self._open.answered(entry.event.segment)
            return
        self.ledger.apply(self._name_of(entry.event), encode_event(entry.event))
        if isinstance(entry.event, Final):
            self._count_withheld(entry.event)
        match entry.event:
            case (
                Final(segment=segment)
                | SegmentFailed(segment=segment)
                | SegmentDropped(segment=segment)
            ):
                self._settled(segment)
            case MarkReached():
                self._marks.apply()
            case CallEnded():
                self.phase = Phase.OVER
            case _:
                pass

    def _name_of(self, event: LoggedEvent) -> str:
        return name_of(event, self._marks.known)

    def _segment_opened(self, segment: SegmentId, start: int) -> None:
        self._segments += 1
        self._open.begin(segment, start)
        self.ledger.open(segment, start)
        self._log(SpeechStarted(segment, start))

    def _segment_grew(self, segment: SegmentId, audio: bytes, *, speaking: bool) -> None:
        """A pause may end the segment: a partial asked for now would only keep its final waiting."""
        start = self._open.feed(segment, len(audio) // BYTES_PER_SAMPLE)
        self.ledger.feed(segment, audio)
        if self._wants_partials and speaking and self._open.ask(segment, self._level):
            self._latency.asked(segment, self._now())
            self.ledger.want_partial(segment, self._job(segment, start))

    @property
    def _wants_partials(self) -> bool:
        return self.config.partials and self._level < LoadLevel.NO_PARTIALS

    def _segment_closed(self, segment: SegmentId, span: Span, size: int) -> None:
        silence = self._open.end(segment) - span.end
        self._latency.spoken(segment, self._now() - to_seconds(max(0, silence)))
        self.ledger.close(segment, span, size, self._job(segment, span.start, span.end))

    def _settled(self, segment: SegmentId) -> None:
        self.ledger.settle(segment)
        self._answer_marks()
        self._end_if_settled()

    def _answer_marks(self) -> None:
        for number, name in self._marks.due(self.ledger.unsettled):
            self.ledger.log(f"mark:{number}", encode_event(MarkReached(name)))

    def _end_if_settled(self) -> None:
        if self.phase is Phase.ENDING and self._last_word and not self.ledger.unsettled:
            self.phase = Phase.ENDED
            self._log(replace(self._last_word, channels=self._final_totals(self._last_word)))

    def _final_totals(self, ended: CallEnded) -> tuple[ChannelTotals, ...]:
        """The totals, with the segments whose words were all withheld in a bucket of their own."""
        return tuple(
            totals.withhold(self._withheld[channel])
            for channel, totals in enumerate(ended.channels)
        )

    def _acknowledge_keywords(self, rejected: tuple[str, ...]) -> None:
        keywords = self.config.keywords
        limit = self._keyword_limit(self.config.task)
        used = None if limit is None else min(limit, len(keywords.terms))
        self._log(KeywordsApplied(keywords.revision, keywords.terms, rejected, used))

    def _job(self, segment: SegmentId, start: int, end: int | None = None) -> bytes:
        config = self.config
        return encode_job(
            Job(
                call_id=self.identity.call_id,
                log=self.identity.log,
                segment=segment,
                start=start,
                end=end,
                queued_at=self._now(),
                language=config.language,
                translate_to=config.translate_to,
                keywords=config.keywords.terms,
                keywords_revision=config.keywords.revision,
            )
        )

    def _log(self, event: LoggedEvent) -> None:
        self.ledger.log(self._name_of(event), encode_event(event))
