"""
The messages to a Deepgram client.

https://developers.deepgram.com/docs/live-streaming-results
A final always has `is_final`, and `speech_final` unless speech continues right after it.  Data that has no place in
Deepgram's messages is under the key `x`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ...calls.call import Role
from ...clock import from_ms
from ...events import (
    CallEnded,
    CallStarted,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    Span,
    SpeechStarted,
    Word,
)
from ..common.turns import Turns, timed
from .notices import Notice, keyterm_notices, line_notice
from .query import Listening
from .search import found
from .words import alternative, seconds

Answer = dict[str, Any]

_MOST_WARNINGS = 64


class DeepgramResponses:
    """Converts events of the event log to Deepgram's messages.  All of them carry `request_id`."""

    def __init__(self, listening: Listening, *, recorded: bool = False) -> None:
        """`recorded`: the messages are collected until the end, so that a final may replace an earlier one."""
        self.request_id = ""
        self._recorded = recorded
        self._listening = listening
        self._channels = len(listening.opened.roles)
        self._turns = Turns()
        self._created = 0.0
        self._finalizing: dict[str, dict[int, SegmentId | None]] = {}
        self._finalizes = 0
        self._last_word: dict[int, int] = {}
        self._configuring = False
        self._warnings: list[Notice] = []
        """Warnings that arose during the call; those about the query string are in `Listening`."""

    # Messages of the client

    def finalize(self, channel: int | None) -> str:
        """
        Begin a Finalize.

        Returns the name of a mark, which must be reached when all earlier speech is settled.
        """
        channels = range(self._channels) if channel is None else (channel,)
        self._finalizes += 1
        name = f"finalize:{self._finalizes}"
        self._finalizing[name] = {one: self._turns.latest(one) for one in channels}
        return name

    def configure(self) -> bool:
        """Begin a Configure.  Returns False if another one is still unanswered."""
        free, self._configuring = not self._configuring, True
        return free

    def configured(self, keyterms: Sequence[str] | None = None) -> Answer:
        """The answer to a successful Configure; `keyterms`: the list in effect, if it was replaced."""
        replaced = {} if keyterms is None else {"keyterms": keyterms}
        return {"type": "ConfigureSuccess", "request_id": self.request_id} | replaced

    def refused(self, code: str, description: str) -> Answer:
        """The answer to a Configure that failed."""
        return {
            "type": "ConfigureFailure",
            "request_id": self.request_id,
            "code": code,
            "description": description,
        }

    @property
    def waits_for_clock(self) -> bool:
        """Whether `heard` may have something to say."""
        return self._listening.utterance_end_ms is not None and bool(self._last_word)

    def heard(self, position: int) -> list[Answer]:
        """`UtteranceEnd` messages that are due at `position`, in samples of the call clock."""
        wait = self._listening.utterance_end_ms
        if wait is None:
            return []
        over = [
            channel
            for channel, end in self._last_word.items()
            if position >= end + from_ms(wait) and self._turns.latest(channel) is None
        ]
        return [
            {
                "type": "UtteranceEnd",
                "channel": [channel, self._channels],
                "last_word_end": seconds(self._last_word.pop(channel)),
            }
            for channel in over
        ]

    def recall(self, past: Sequence[Entry]) -> None:
        """Apply events from before this connection; they are not sent again."""
        for entry in past:
            self._turns.apply(entry.event)
            if isinstance(entry.event, CallStarted):
                self._created = entry.event.started_at

    # Events of the event log

    def notify(self, entry: Entry) -> list[Answer]:
        """The messages for an event of the call."""
        event = entry.event
        self._turns.apply(event)
        match event:
            case Partial() if self._listening.interim_results and event.words:
                return [self._partial(event)]
            case Final():
                return [self._final(event, entry.seq)]
            case SegmentRevised(final) if self._recorded:
                return [self._final(final, entry.seq)]
            case SegmentFailed(segment, span, reason) | SegmentDropped(segment, span, reason):
                extra = {"segment_id": str(segment), "seq": entry.seq, "failed": reason}
                return [self._results(segment, span, (), extra, is_final=True, speech_final=True)]
            case SpeechStarted(segment, start) if self._listening.vad_events:
                where = [segment.channel, self._channels]
                return [{"type": "SpeechStarted", "channel": where, "timestamp": seconds(start)}]
            case KeywordsApplied():
                return self._keywords(event)
            case LineWarning():
                self._warn(line_notice(event))
                return []
            case MarkReached(name):
                return self._finalized(self._finalizing.pop(name, {}))
            case CallStarted():
                self._created = event.started_at
                return []
            case CallEnded():
                return [self._metadata(event)]
            case _:
                return []

    def _keywords(self, applied: KeywordsApplied) -> list[Answer]:
        """Keywords in effect.  Revision 0 is the list at the start of the call and answers no Configure."""
        for notice in keyterm_notices(applied):
            self._warn(notice)
        if not self._configuring or applied.revision == 0:
            return []
        self._configuring = False
        rejected = {"x": {"rejected": applied.rejected}} if applied.rejected else {}
        return [self.configured(applied.accepted) | rejected]

    def _warn(self, notice: Notice) -> None:
        """Add a warning for the closing `Metadata`; their number is limited."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(notice)

    def _partial(self, partial: Partial) -> Answer:
        extra = {"segment_id": str(partial.segment), "stable": partial.stable}
        return self._results(partial.segment, partial.span, partial.words, extra)

    def _final(self, final: Final, seq: int | None) -> Answer:
        segment = final.segment
        timed_words = timed(final.words, final.span)
        if timed_words:
            self._last_word[segment.channel] = timed_words[-1].end
        extra = {
            "segment_id": str(segment),
            "seq": seq,
            "keywords": final.keywords_found,
            "flags": final.flags,
        }
        return self._results(
            segment,
            final.span,
            final.words,
            extra,
            is_final=True,
            speech_final=not self._turns.goes_on(final),
            from_finalize=self._was_awaited(segment),
            engine=final.engine,
        )

    def _was_awaited(self, segment: SegmentId) -> bool:
        """Whether a Finalize waits for this segment; if so, mark it as answered for this channel."""
        for awaited in self._finalizing.values():
            if awaited.get(segment.channel) == segment:
                del awaited[segment.channel]
                return True
        return False

    def _finalized(self, unanswered: dict[int, SegmentId | None]) -> list[Answer]:
        """Empty results with `from_finalize` for the channels that had no speech to settle."""
        return [
            self._results(
                SegmentId(channel, 0),
                Span(0, 0),
                (),
                {},
                is_final=True,
                speech_final=True,
                from_finalize=True,
            )
            for channel in sorted(unanswered)
        ]

    def _results(
        self,
        segment: SegmentId,
        span: Span,
        words: Sequence[Word],
        extra: Answer,
        *,
        is_final: bool = False,
        speech_final: bool = False,
        from_finalize: bool = False,
        engine: str = "trunkline",
    ) -> Answer:
        estimated = any(word.start is None or word.end is None for word in words)
        tells_roles = self._listening.opened.config.speaker_roles is not None
        return {
            "type": "Results",
            "channel_index": [segment.channel, self._channels],
            "start": seconds(span.start),
            "duration": seconds(span.end - span.start),
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {
                "alternatives": [
                    alternative(span, words, self._speaker_of(segment), tells_roles=tells_roles)
                ],
                **self._hits(span, words),
            },
            "metadata": self._about(engine),
            "x": extra | {"word_times": "estimated" if estimated else "measured"},
        }

    def _hits(self, span: Span, words: Sequence[Word]) -> Answer:
        """The places of the terms that the client searches for."""
        terms = self._listening.search
        return {"search": found(terms, timed(words, span))} if terms else {}

    def _speaker_of(self, segment: SegmentId) -> int | None:
        """The speaker of a whole channel, if `diarize` was requested; on a mixed channel each word has its own."""
        is_mixed = self._listening.opened.roles[segment.channel] is Role.MIXED
        return segment.channel if self._listening.diarize and not is_mixed else None

    def _about(self, engine: str) -> Answer:
        return {
            "request_id": self.request_id,
            "model_info": {"name": engine, "version": "1", "arch": "trunkline"},
            "model_uuid": self.request_id,
            **self._labels(),
        }

    def _labels(self) -> Answer:
        """The client's own tags and extra values, unchanged."""
        tags = {"tags": self._listening.tags} if self._listening.tags else {}
        return tags | ({"extra": dict(self._listening.extra)} if self._listening.extra else {})

    def _metadata(self, ended: CallEnded) -> Answer:
        created = datetime.fromtimestamp(self._created, UTC)
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "created": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": seconds(ended.duration),
            "channels": self._channels,
            **self._labels(),
            "x": {
                "warnings": [_warning(one) for one in (*self._listening.notices, *self._warnings)],
                "ended": ended.reason,
            },
        }


def _warning(notice: Notice) -> Answer:
    """A notice in the form of Deepgram's own warnings on pre-recorded audio."""
    return {"parameter": notice.parameter, "type": notice.kind, "message": notice.message}
