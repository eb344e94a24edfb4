"""
One call, from its first message to `call.ended`: decisions only.

Input: bridge events, sound events, and entries of the event log by `apply`.  Output: writes that collect in the
ledger.  No sockets, no clock, no Redis, no model.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from protocol.bridge_events import BridgeWarning, WarningCode
from protocol.calls.call import CallConfig, Role
from protocol.clock import from_rate, to_seconds
from protocol.events import (
    Account,
    AudioGap,
    AudioKept,
    CallEnded,
    CallStarted,
    CallWarning,
    CardAdded,
    ChannelTotals,
    DtmfPressed,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    LoadLevel,
    LogEntry,
    LoggedEvent,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    Span,
    SpeechStarted,
    TranscriptEvent,
    UnreadEntry,
    Withheld,
)
from protocol.events.event_codec import decode_entry, encode_event
from protocol.redaction.keypad import KeypadRedactor
from protocol.scheduling.jobs import Job, encode_job
from protocol.scheduling.worker_capacity import Task

from ..audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
    VoiceSource,
)
from .bridge_warnings import BridgeWarnings, redaction_warning
from .drafts import Draft, Drafts
from .event_keys import name_of, name_of_unread
from .latency import LatencyTracker
from .ledger import Ledger
from .left_out import left_out
from .marks import MOST_WAITING, Marks
from .partial_schedule import PartialSchedule
from .recovery import RecoveredCall, UnsettledSegment

MOST_CARDS = 1_000
"""Most cards of one call."""


class Phase(Enum):
    """The state of a call; owned by `Call`."""

    LIVE = auto()
    ENDING = auto()
    """No more audio is accepted; terminal events are awaited."""

    ENDED = auto()
    """`call.ended` is in the ledger, to be written to the event log."""

    OVER = auto()
    """`call.ended` has been read back from the event log."""


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """The identity and origin of a call.  `started_at`: Unix seconds."""

    call_id: str
    log: str
    """Random id of the call's event log; results for another log are refused."""

    roles: tuple[Role, ...]
    dialect: str
    started_at: float
    metadata: tuple[tuple[str, str], ...] = ()
    """What the bridge said about the call: customer content, never logged."""

    sample_rate: int = 0
    """Sample rate of the bridge's audio in Hz; 0: not known."""

    encoding: str = ""
    """Encoding of the bridge's audio; empty: not known."""


class Call:
    """The state of one call.  Positions are samples of the call clock; `now` returns Unix seconds."""

    def __init__(
        self,
        identity: CallIdentity,
        config: CallConfig,
        ledger: Ledger,
        partial_every_ms: int,
        now: Callable[[], float],
        keyword_limit: Callable[[Task], int | None] = lambda _: None,
        *,
        keeps_background: bool = False,
    ) -> None:
        """
        `keyword_limit` returns the most keywords that workers of a task use in one segment; None: no limit.

        `keeps_background`: whether background speech and crosstalk are transcribed, with a flag.
        """
        self._keeps_background = keeps_background
        self._keyword_limit = keyword_limit
        self.identity = identity
        self.config = config
        self.ledger = ledger
        self.phase = Phase.LIVE
        self.recalled = 0
        """The last seq in the event log when the call was taken over."""

        self._latency = LatencyTracker()
        self._now = now
        self._open = PartialSchedule(partial_every_ms)
        self.drafts = Drafts()
        self._marks = Marks()
        self._segments = 0
        self._last_word: CallEnded | None = None
        self._withheld: Counter[int] = Counter()
        self._level = LoadLevel.NORMAL
        self._lack = ""
        self._levels = 0
        self._warnings = BridgeWarnings()
        self._cards: set[str] = set()
        self._keypad = KeypadRedactor(config.redaction)

    def start(self, rejected_keywords: tuple[str, ...] = ()) -> None:
        """Log the first events of a new call."""
        started = CallStarted(
            self.identity.roles,
            self.config.language,
            self.identity.dialect,
            self.identity.started_at,
            self.identity.metadata,
            self.identity.sample_rate,
            self.identity.encoding,
        )
        self._log(started)
        if self.config.keywords.terms or rejected_keywords:
            self._acknowledge_keywords(rejected_keywords)
        self._warn_of_language()

    def recall(self, recovered: RecoveredCall) -> None:
        """Continue the call of another gateway, including its unsettled segments."""
        for entry in recovered.entries:
            self._remember(entry)
        self.recalled = recovered.last_seq
        channels = {one.segment.channel for one in recovered.unsettled_segments}
        lost_spans = {
            segment: span
            for channel in channels
            for segment, span in recovered.lost_spans(channel).items()
        }
        for unsettled_segment in recovered.unsettled_segments:
            self._inherit(unsettled_segment, lost_spans.get(unsettled_segment.segment))
        if not recovered.entries:
            self.start(recovered.checkpoint.rejected_keywords)

    def carry_over(self, former: "Call") -> tuple[str, ...]:
        """
        Log the events of `former`, the previous state of this call, that are not in the event log yet.

        Its segments are not copied, because their audio is processed again.  Returns the names of marks that
        are not answered yet.
        """
        said = {event.name for event in self.ledger.known}
        answers: list[str] = []
        for unsaid in former.ledger.pending:
            match decode_entry(None, unsaid.payload):
                case Entry(MarkReached(name)):
                    answers.append(name)
                case Entry(
                    KeywordsApplied()
                    | AudioGap()
                    | AudioKept()
                    | DtmfPressed()
                    | LineWarning()
                    | CardAdded()
                ):
                    if unsaid.name not in said:
                        self.ledger.log(unsaid.name, unsaid.payload)
                case _:
                    pass
        self.set_load_level(former._level)  # private access: the same class
        self._keypad = former._keypad
        return (*answers, *former.marks)

    def is_of_another(self, entry: LogEntry) -> bool:
        """Return whether a log entry shows that another gateway has continued the call differently."""
        if entry.is_last:
            return self.phase not in (Phase.ENDED, Phase.OVER)
        match entry:
            case Entry(
                Final(segment, span) | SegmentFailed(segment, span) | SegmentDropped(segment, span)
            ):
                return self.is_news(entry) and self.ledger.ends_early(segment, span.end)
            case _:
                return False

    @property
    def marks(self) -> tuple[str, ...]:
        """The names of marks that are not answered yet."""
        return self._marks.waiting

    @property
    def end_reason(self) -> str | None:
        """Why the call ended; None while it is live."""
        return self._last_word.reason if self._last_word else None

    def _remember(self, entry: LogEntry) -> None:
        self._keep(entry)
        match entry:
            case Entry(SpeechStarted()):
                self._segments += 1
            case Entry(MarkReached()):
                self._marks.recall()
            case Entry(CardAdded(card_id)):
                self._cards.add(card_id)
            case Entry(LoadChanged(number, level, reason)):
                self._levels, self._level, self._lack = number + 1, level, reason
            case Entry(CallWarning() as logged):
                self._warnings.recall(logged)
            case _:
                pass

    def _keep(self, entry: LogEntry) -> None:
        """Keep the bytes of an entry as they were written, for a Redis that loses its data."""
        if isinstance(entry, UnreadEntry):
            self.ledger.apply(name_of_unread(entry), entry.payload)
        elif not isinstance(entry.event, Partial):
            self.ledger.apply(self._name_of(entry.event), entry.payload)
            if isinstance(entry.event, Final):
                self._count_withheld(entry.event)
            if isinstance(entry.event, SegmentRevised):
                self.ledger.replace(str(entry.event.final.segment), encode_event(entry.event.final))

    def _count_withheld(self, final: Final) -> None:
        if final.is_withheld:
            self._withheld[final.segment.channel] += final.span.end - final.span.start

    def _inherit(self, unsettled_segment: UnsettledSegment, lost_span: Span | None) -> None:
        """Take over a segment; `lost_span`: set if Redis has nothing of it."""
        segment, span = unsettled_segment.segment, unsettled_segment.span
        if lost_span is not None:
            self._drop_lost(segment, lost_span, settled=False)
        elif unsettled_segment.settled:
            self._drop_lost(segment, span, settled=True)
        else:
            audio, rate = unsettled_segment.audio, unsettled_segment.rate
            job = unsettled_segment.job or self._job(segment, span.start, span.end, rate=rate)
            queued = bool(unsettled_segment.job)
            self.ledger.inherit(segment, span, audio, rate, job, queued=queued)

    def _drop_lost(self, segment: SegmentId, span: Span, *, settled: bool) -> None:
        lost = SegmentDropped(segment, span, "its audio was lost when its gateway failed")
        self.ledger.drop(segment, span.end, encode_event(lost), queued=settled)

    def change_keywords(self, terms: tuple[str, ...], rejected: tuple[str, ...]) -> None:
        """Use `terms` as keywords for every segment that closes from now on."""
        self.config = self.config.with_keywords(terms)
        self._acknowledge_keywords(rejected)

    def change_language(self, language: str) -> None:
        """Use `language` (ISO 639) for every segment that closes from now on."""
        self.config = replace(self.config, language=language)
        self._warn_of_language()

    def set_load_level(self, level: LoadLevel, reason: str = "") -> bool:
        """
        Set the load level, which controls how often partials are requested.  Returns whether it changed.

        `reason`: set if no living worker can do the call's task.
        """
        if self.phase is not Phase.LIVE or (level, reason) == (self._level, self._lack):
            return False
        self._level, self._lack = level, reason
        self._log(LoadChanged(self._levels, level, reason))
        self._levels += 1
        return True

    def press(self, channel: int, digit: str, at: int) -> None:
        """Take a DTMF digit at `at`, on the call clock. It is logged when it is known to be no card data."""
        self._log_keys(self._keypad.press(channel, digit, at))

    @property
    def holds_keys(self) -> bool:
        """Whether DTMF digits are held back: `listen` must be called."""
        return self._keypad.holds

    def listen(self, channel: int, position: int) -> None:
        """The channel was heard up to `position`: log the DTMF digits before a pause."""
        self._log_keys(self._keypad.listen(channel, position))

    def _log_keys(self, pressed: Sequence[DtmfPressed]) -> None:
        for event in pressed:
            self._log(event)

    def miss(
        self, channel: int, span: Span, reason: str, account: Account = Account.LOST_UPSTREAM
    ) -> None:
        """Log a gap: audio that did not arrive or must not be processed.  The call clock includes it."""
        self._log(AudioGap(channel, span, reason, account))

    def warn(self, warning: LineWarning) -> None:
        """Log a warning about the audio of a channel."""
        self._log(warning)

    def add_card(self, card: CardAdded) -> bool:
        """Log a card, unless the log has one with its id.  Returns False if the call has `MOST_CARDS`."""
        if card.card_id not in self._cards:
            if len(self._cards) >= MOST_CARDS:
                return False
            self._cards.add(card.card_id)
            self._log(card)
        return True

    def keep_audio(self, kept: AudioKept) -> None:
        """Log that the audio of the call is kept in a new part."""
        self._log(kept)

    def warn_of(self, warning: BridgeWarning) -> None:
        """Log that input of the bridge was ignored, unless the log has a warning of this kind."""
        if logged := self._warnings.note(warning):
            self._log(logged)

    def _warn_of_language(self) -> None:
        if warning := redaction_warning(self.config):
            self.warn_of(warning)

    def drop(self, segment: SegmentId, span: Span, reason: str) -> None:
        """End an open segment on purpose without a transcript, with `segment.dropped`."""
        self._open.end(segment)
        self.drafts.go_on(segment)
        drop_event = encode_event(SegmentDropped(segment, span, reason))
        self.ledger.drop(segment, span.end, drop_event, queued=False)

    def mark(self, name: str) -> None:
        """
        Take a mark.  It is answered when every segment that is unsettled now has its terminal event.

        A mark is ignored, with a warning, if `MOST_WAITING` are waiting already.
        """
        if not self._marks.ask(name, self.ledger.unsettled):
            ignored = f"mark ignored: {MOST_WAITING} marks are waiting for their answers"
            self.warn_of(BridgeWarning(WarningCode.BAD_MESSAGE, ignored))
        self._answer_marks()

    def sound(self, channel: int, event: SoundEvent) -> None:
        """Take an event of the channel's `ChannelSegmenter`."""
        match event:
            case SegmentOpened(number, start):
                self._segment_opened(SegmentId(channel, number), start)
            case SegmentGrew(number, pcm, speaking):
                self._segment_grew(SegmentId(channel, number), pcm.tobytes(), speaking=speaking)
            case SegmentPaused(number):
                self._segment_paused(SegmentId(channel, number), event)
            case SegmentClosed(number):
                self._segment_closed(SegmentId(channel, number), event)
            case _:
                assert_never(event)

    def end(self, reason: str, totals: Sequence[ChannelTotals], duration: int) -> None:
        """
        End the audio of the call.  `call.ended` follows when every segment has its terminal event.

        `totals`: one for each channel; `duration`: samples of the call clock.
        """
        if self.phase is not Phase.LIVE:
            return
        self._log_keys(self._keypad.flush())
        self.phase = Phase.ENDING
        self._last_word = CallEnded(reason, duration, self._segments, tuple(totals))
        self._end_if_settled()

    def is_news(self, entry: LogEntry) -> bool:
        """Return whether the entry is newer than the entries that `recall` has processed."""
        return entry.seq is None or entry.seq > self.recalled

    def waited_for(self, event: TranscriptEvent) -> float | None:
        """Return the latency of `event` in seconds, once; None if `event` answers no request."""
        return self._latency.stop(event, self._now())

    def apply(self, entry: LogEntry) -> None:
        """Take an entry of the event log, or a partial."""
        if not self.is_news(entry):
            return
        self._keep(entry)
        if entry.is_last:
            self.phase = Phase.OVER
        if entry.ends:
            self._settled(entry.ends)
        match entry:
            case Entry(Partial(segment)):
                self._open.answered(segment)
            case Entry(MarkReached()):
                self._marks.apply()
            case Entry(Final() as final):
                self._keypad.hear(final)
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
        """In a pause request no partial: the segment may end, and the partial would only delay its final."""
        start = self._open.feed(segment, from_rate(len(audio) // 2, self.ledger.rate))
        self.ledger.feed(segment, audio)
        if speaking:
            self.drafts.go_on(segment)
        if self._wants_partials and speaking and self._open.ask(segment, self._level):
            self._latency.asked(segment, self._now())
            self.ledger.want_partial(segment, self._job(segment, start))

    def _segment_paused(self, segment: SegmentId, paused: SegmentPaused) -> None:
        """Under load a draft is not requested: its work would be in vain if speech goes on."""
        if self._level is not LoadLevel.NORMAL:
            return
        at = self._now()
        span = paused.span
        job = self._job(segment, span.start, span.end, padding=paused.padding, queued_at=at)
        draft = Draft(at, job)
        self.drafts.ask(segment, draft)
        self._open.answered(segment)  # a draft ends the work on a partial
        self.ledger.want_draft(segment, draft.job, 2 * paused.samples)

    @property
    def _wants_partials(self) -> bool:
        return self.config.partials and self._level < LoadLevel.NO_PARTIALS

    def _segment_closed(self, segment: SegmentId, closed: SegmentClosed) -> None:
        span, source = closed.span, closed.source
        silence = self._open.end(segment) - span.end
        if source is not VoiceSource.OWN and not self._keeps_background:
            final = encode_event(left_out(segment, span, Withheld(source.value), self.config))
            self.ledger.drop(segment, span.end, final, queued=False)
            self.drafts.go_on(segment)
            return
        flags = () if source is VoiceSource.OWN else (source.value,)
        self._latency.spoken(segment, self._now() - to_seconds(max(0, silence)))
        job = self._final_job(segment, closed, flags)
        self.ledger.close(segment, span, 2 * closed.samples, job)

    def _final_job(
        self, segment: SegmentId, closed: SegmentClosed, flags: tuple[str, ...]
    ) -> bytes:
        """The job of a final: that of its draft, if it differs in nothing but the time."""
        start, end, padding = closed.span.start, closed.span.end, closed.padding
        if draft := self.drafts.end(segment):
            job = self._job(segment, start, end, flags, padding, draft.at)
            if job == draft.job:
                return job
            self.drafts.refuse()
        return self._job(segment, start, end, flags, padding)

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
        """Return the totals, with segments whose words were all withheld counted as `withheld`."""
        return tuple(
            totals.withhold(self._withheld[channel])
            for channel, totals in enumerate(ended.channels)
        )

    def _acknowledge_keywords(self, rejected: tuple[str, ...]) -> None:
        keywords = self.config.keywords
        limit = self._keyword_limit(self.config.task)
        used = None if limit is None else min(limit, len(keywords.terms))
        self._log(KeywordsApplied(keywords.revision, keywords.terms, rejected, used))

    def _job(
        self,
        segment: SegmentId,
        start: int,
        end: int | None = None,
        flags: tuple[str, ...] = (),
        padding: int = 0,
        queued_at: float | None = None,
        rate: int | None = None,
    ) -> bytes:
        config = self.config
        return encode_job(
            Job(
                call_id=self.identity.call_id,
                log=self.identity.log,
                segment=segment,
                start=start,
                end=end,
                queued_at=self._now() if queued_at is None else queued_at,
                language=config.language,
                translate_to=config.translate_to,
                keywords=config.keywords.terms,
                keywords_revision=config.keywords.revision,
                redaction=config.redaction,
                form=config.form,
                flags=flags,
                padding=padding,
                speakers=self._speakers(segment.channel),
                rate=rate or self.ledger.rate,
            )
        )

    def _speakers(self, channel: int) -> int:
        """Most speakers that are told apart on a channel."""
        return (self.config.speakers or 0) if self.identity.roles[channel] is Role.MIXED else 0

    def _log(self, event: LoggedEvent) -> None:
        self.ledger.log(self._name_of(event), encode_event(event))
