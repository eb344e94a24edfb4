"""
One call, from its first message to `call.ended`: decisions only.

Input: bridge events, sound events, and entries of the event log by `apply`.  Output: writes that collect in the
ledger.  No sockets, no clock, no Redis, no model.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from protocol.bridge_events import BridgeWarning, WarningCode
from protocol.calls.call import CallConfig
from protocol.calls.spelling import SpellingRequests
from protocol.events import (
    Account,
    AudioGap,
    AudioKept,
    CallEnded,
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
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    TranscriptEvent,
)
from protocol.events.event_codec import encode_event
from protocol.redaction.keypad import KeypadRedactor
from protocol.scheduling.worker_capacity import Task

from ..audio.sound_events import SoundEvent
from .bridge_warnings import BridgeWarnings, redaction_warning
from .call_events import CallEvents
from .cards import Cards
from .identity import CallIdentity
from .ledger import Ledger
from .load_level import CallLoadLevel
from .marks import MOST_WAITING, Marks
from .phase import Phase
from .recovery import RecoveredCall
from .segments.call_segments import CallSegments
from .segments.drafts import Drafts
from .segments.job_builder import JobBuilder


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
        stored_list: Callable[[tuple[str, ...]], str] = lambda _: "",
        *,
        keeps_background: bool = False,
    ) -> None:
        """
        `keyword_limit` returns the most keywords that workers of a task use in one segment; None: no limit.

        `stored_list` returns the digest of a list of terms that Redis holds; empty: it does not.

        `keeps_background`: whether background speech and crosstalk are transcribed, with a flag.
        """
        self._keyword_limit = keyword_limit
        self.identity = identity
        self.config = config
        self.ledger = ledger
        self.phase = Phase.LIVE
        self.recalled = 0
        """The last seq in the event log when the call was taken over."""

        self._marks = Marks()
        self._spelling = SpellingRequests()
        self._events = CallEvents(ledger, self._marks)
        self._segments = CallSegments(
            ledger,
            self._events,
            JobBuilder(identity, ledger.rate, now, stored_list, self._spelling),
            partial_every_ms,
            now,
            keeps_background=keeps_background,
        )
        self._load = CallLoadLevel()
        self._last_word: CallEnded | None = None
        self._warnings = BridgeWarnings()
        self._cards = Cards()
        self._keypad = KeypadRedactor(config.redaction)

    def start(self, rejected_keywords: tuple[str, ...] = ()) -> None:
        """Log the first events of a new call."""
        self._events.log(self.identity.started(self.config.language))
        if self.config.keywords.terms or rejected_keywords:
            self._acknowledge_keywords(rejected_keywords)
        self._warn_of_language()

    def recall(self, recovered: RecoveredCall) -> None:
        """Continue the call of another gateway, including its unsettled segments."""
        for entry in recovered.entries:
            self._remember(entry)
        self.recalled = recovered.last_seq
        self._segments.recall(recovered, self.config)
        if not recovered.entries:
            self.start(recovered.checkpoint.rejected_keywords)

    def carry_over(self, former: "Call") -> tuple[str, ...]:
        """
        Log the events of `former`, the previous state of this call, that are not in the event log yet.

        Its segments are not copied, because their audio is processed again.  Returns the names of marks that
        are not answered yet.
        """
        answers = self._events.log_unwritten(former.ledger.pending)
        self.set_load_level(former.load_level)
        self._keypad = former._keypad  # private access: the same class
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
    def load_level(self) -> LoadLevel:
        """How much the work for the call is reduced, because of overload or for want of a worker."""
        return self._load.level

    @property
    def drafts(self) -> Drafts:
        """The drafts of the open segments."""
        return self._segments.drafts

    @property
    def end_reason(self) -> str | None:
        """Why the call ended; None while it is live."""
        return self._last_word.reason if self._last_word else None

    def _remember(self, entry: LogEntry) -> None:
        self._events.keep(entry)
        match entry:
            case Entry(SpeechStarted()):
                self._segments.count += 1
            case Entry(Final() as final):
                self._spelling.hear(final)
            case Entry(MarkReached()):
                self._marks.recall()
            case Entry(CardAdded(card_id)):
                self._cards.recall(card_id)
            case Entry(LoadChanged() as changed):
                self._load.recall(changed)
            case Entry(CallWarning() as logged):
                self._warnings.recall(logged)
            case _:
                pass

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
        if self.phase is not Phase.LIVE:
            return False
        changed = self._load.change(level, reason)
        if changed:
            self._events.log(changed)
        return changed is not None

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
            self._events.log(event)

    def miss(
        self, channel: int, span: Span, reason: str, account: Account = Account.LOST_UPSTREAM
    ) -> None:
        """Log a gap: audio that did not arrive or must not be processed.  The call clock includes it."""
        self._events.log(AudioGap(channel, span, reason, account))

    def warn(self, warning: LineWarning) -> None:
        """Log a warning about the audio of a channel."""
        self._events.log(warning)

    def add_card(self, card: CardAdded) -> bool:
        """Log a card, unless the log has one with its id.  Returns False if the call has `MOST_CARDS`."""
        if card.card_id in self._cards:
            return True
        has_room = self._cards.add(card.card_id)
        if has_room:
            self._events.log(card)
        return has_room

    def keep_audio(self, kept: AudioKept) -> None:
        """Log that the audio of the call is kept in a new part."""
        self._events.log(kept)

    def warn_of(self, warning: BridgeWarning) -> None:
        """Log that input of the bridge was ignored, unless the log has a warning of this kind."""
        if logged := self._warnings.note(warning):
            self._events.log(logged)

    def _warn_of_language(self) -> None:
        if warning := redaction_warning(self.config):
            self.warn_of(warning)

    def drop(self, segment: SegmentId, span: Span, reason: str) -> None:
        """End an open segment on purpose without a transcript, with `segment.dropped`."""
        self._segments.drop(segment, span, reason)

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
        self._segments.sound(channel, event, self.config, self.load_level)

    def end(self, reason: str, totals: Sequence[ChannelTotals], duration: int) -> None:
        """
        End the audio of the call.  `call.ended` follows when every segment has its terminal event.

        `totals`: one for each channel; `duration`: samples of the call clock.
        """
        if self.phase is not Phase.LIVE:
            return
        self._log_keys(self._keypad.flush())
        self.phase = Phase.ENDING
        self._last_word = CallEnded(reason, duration, self._segments.count, tuple(totals))
        self._end_if_settled()

    def is_news(self, entry: LogEntry) -> bool:
        """Return whether the entry is newer than the entries that `recall` has processed."""
        return entry.seq is None or entry.seq > self.recalled

    def waited_for(self, event: TranscriptEvent) -> float | None:
        """Return the latency of `event` in seconds, once; None if `event` answers no request."""
        return self._segments.waited_for(event)

    def apply(self, entry: LogEntry) -> None:
        """Take an entry of the event log, or a partial."""
        if not self.is_news(entry):
            return
        self._events.keep(entry)
        if entry.is_last:
            self.phase = Phase.OVER
        if entry.ends:
            self._settled(entry.ends)
        match entry:
            case Entry(Partial(segment)):
                self._segments.answered(segment)
            case Entry(MarkReached()):
                self._marks.apply()
            case Entry(Final() as final):
                self._keypad.hear(final)
                self._spelling.hear(final)
            case _:
                pass

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
            self._events.log(self._events.with_withheld(self._last_word))

    def _acknowledge_keywords(self, rejected: tuple[str, ...]) -> None:
        keywords = self.config.keywords
        limit = self._keyword_limit(self.config.task)
        used = None if limit is None else min(limit, len(keywords.terms))
        self._events.log(KeywordsApplied(keywords.revision, keywords.terms, rejected, used))
