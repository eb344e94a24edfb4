"""
The messages to an OpenAI client.

With turn detection, every segment is an item.  Without it the client commits: all speech since the last commit is
one item, which is complete when all its segments are settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...bridge_events import WarningCode
from ...clock import to_ms, to_seconds
from ...events import (
    CallWarning,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    SpeechStarted,
    Word,
)

_ITEM = "conversation.item.input_audio_transcription"
_MOST_WARNINGS = 32
_BUFFER = "input_audio_buffer"


@dataclass(slots=True)
class _Item:
    """A stretch of speech that becomes one transcript."""

    id: str
    sent: list[str] = field(default_factory=list)
    """Words that were sent in deltas and cannot be withdrawn."""


class OpenAIResponses:
    """Converts events of the event log to OpenAI's server events; `session`: the id of the session."""

    def __init__(self, session: str) -> None:
        self.manual = False
        self._session = session
        self._events = 0
        self._items: dict[SegmentId, _Item] = {}
        self._last: str | None = None
        self._commits: list[str] = []
        self._committed = 0
        self._said: list[str] = []
        self._spoken = 0
        self._about: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._out: list[str] = []

    def take(self) -> list[str]:
        """Return the messages to send now, and empty the list."""
        out, self._out = self._out, []
        return out

    # Messages of the client

    def session(self, kind: str, session: dict[str, Any]) -> None:
        """Send `session.created` or `session.updated`; warnings are under `x`."""
        self._about = session
        x = {"x": {"warnings": self._warnings}} if self._warnings else {}
        said = {"id": self._session, "object": "realtime.session", "type": "transcription"}
        self._say(kind, session=said | session, **x)

    def error(self, message: str, code: str) -> None:
        """Send an `error` of the client; the session continues unless it is closed."""
        about = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        self._say("error", error=about | {"event_id": None})

    def cleared(self) -> None:
        """Answer a `clear`.  The buffer is always empty, because audio is transcribed as it arrives."""
        self._say(f"{_BUFFER}.cleared")

    def committed(self) -> str:
        """
        Answer a commit.

        Returns the name of a mark, which must be reached when all earlier speech is settled.
        """
        self._committed += 1
        item = f"item_{self._session[:8]}_c{self._committed}"
        self._commits.append(item)
        self._commit(item)
        return f"commit:{item}"

    # Events of the event log

    def notify(self, entry: Entry) -> None:
        """Apply an event of the call."""
        match entry.event:
            case CallWarning(_, code, message) if code != WarningCode.BAD_MESSAGE:
                self.error(message, code)  # bad messages were answered when they came
            case KeywordsApplied(_, _, rejected) if rejected:
                self._warn([f"keywords: {reason}" for reason in rejected])
            case LineWarning(_, fault, check):
                self._warn([f"audio: {fault}: {check}"])
            case SpeechStarted(segment, start) if not self.manual:
                item = self._item(segment)
                self._say(f"{_BUFFER}.speech_started", audio_start_ms=to_ms(start), item_id=item.id)
            case Partial(segment, _, _, words, stable) if not self.manual:
                self._delta(self._item(segment), words[:stable])
            case Final() if self.manual:
                self._said += [entry.event.text] if entry.event.words else []
                self._spoken += entry.event.span.end - entry.event.span.start
            case Final():
                self._complete(entry.event)
            case SegmentFailed(segment, _, reason) | SegmentDropped(segment, _, reason):
                self._failed(segment, reason)
            case MarkReached(name) if name.removeprefix("commit:") in self._commits:
                self._complete_commit(name.removeprefix("commit:"))
            case _:
                pass

    def _warn(self, texts: Sequence[str]) -> None:
        """
        Send `session.updated` again, with all warnings so far, which are limited in number.

        An `error` would end the session of many clients, and they do not know other types of events.
        """
        room = _MOST_WARNINGS - len(self._warnings)
        if room > 0:
            self._warnings += texts[:room]
            self.session("session.updated", self._about)

    def _item(self, segment: SegmentId) -> _Item:
        return self._items.setdefault(segment, _Item(f"item_{self._session[:8]}_{segment}"))

    def _delta(self, item: _Item, words: Sequence[Word]) -> None:
        """Send the words that have become stable, if they continue the earlier deltas."""
        texts = [word.text for word in words]
        given = [_bare(text) for text in item.sent]
        if len(texts) <= len(given) or [_bare(text) for text in texts[: len(given)]] != given:
            return
        new = " ".join(texts[len(item.sent) :])
        self._say(
            f"{_ITEM}.delta",
            item_id=item.id,
            content_index=0,
            delta=f" {new}" if item.sent else new,
        )
        item.sent = texts

    def _complete(self, final: Final) -> None:
        item = self._item(final.segment)
        del self._items[final.segment]
        end = to_ms(final.span.end)
        self._say(f"{_BUFFER}.speech_stopped", audio_end_ms=end, item_id=item.id)
        self._commit(item.id)
        self._delta(item, final.words)
        self._completed(item.id, final.text, final.span.end - final.span.start)

    def _complete_commit(self, item: str) -> None:
        """Complete the item of a commit: all speech before it is settled."""
        self._commits.remove(item)
        text, spoken = " ".join(self._said), self._spoken
        self._said, self._spoken = [], 0
        if text:
            self._say(f"{_ITEM}.delta", item_id=item, content_index=0, delta=text)
        self._completed(item, text, spoken)

    def _failed(self, segment: SegmentId, reason: str) -> None:
        item = self._items.pop(segment, None)
        if item is not None:
            error = {"type": "transcription_error", "code": None, "message": reason, "param": None}
            self._say(f"{_ITEM}.failed", item_id=item.id, content_index=0, error=error)

    def _commit(self, item: str) -> None:
        self._say(f"{_BUFFER}.committed", item_id=item, previous_item_id=self._last)
        self._last = item

    def _completed(self, item: str, transcript: str, samples: int) -> None:
        usage = {"type": "duration", "seconds": round(to_seconds(samples), 3)}
        self._say(
            f"{_ITEM}.completed",
            item_id=item,
            content_index=0,
            transcript=transcript,
            usage=usage,
        )

    def _say(self, kind: str, **fields: object) -> None:
        self._events += 1
        event = {"type": kind, "event_id": f"event_{self._events}"} | fields
        self._out.append(msgspec.json.encode(event).decode())


def _bare(word: str) -> str:
    """A word without punctuation and capitals, which often appear only in the final."""
    return word.strip(".,;:!?").casefold()
