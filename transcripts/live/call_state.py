"""
What a supervisor sees of a call in progress, from its events.  Pure.

Positions are samples of the call clock.
"""

from collections import Counter
from dataclasses import dataclass, field

from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    CallWarning,
    CardAdded,
    Entry,
    Final,
    LineWarning,
    LoadChanged,
    LoadLevel,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    SpeechStarted,
    Word,
)

LONGEST_WORDS = 240
"""Most characters of the last words."""

_MOST_WARNINGS = 8
_MOST_KEYWORDS = 12


@dataclass(frozen=True, slots=True)
class LastWords:
    """The end of what was said last.  `is_partial`: the segment is still open."""

    segment: SegmentId
    text: str
    at: int
    is_partial: bool


@dataclass(slots=True)
class LiveCallState:
    """The state of one call; `version` rises with each change."""

    call_id: str
    """Filed id."""

    version: int = 0
    started: CallStarted | None = None
    last: LastWords | None = None
    finals: int = 0
    talk: Counter[int] = field(default_factory=Counter)
    """Samples of speech in finals, by channel."""

    keywords: Counter[str] = field(default_factory=Counter)
    line: dict[tuple[int, str], LineWarning] = field(default_factory=dict)
    """The last warning of each channel and fault."""

    warnings: dict[str, str] = field(default_factory=dict)
    """Messages about input of the bridge that was ignored, by code."""

    level: LoadLevel = LoadLevel.NORMAL
    level_reason: str = ""
    lost: int = 0
    """Samples of audio that did not arrive."""

    failed: int = 0
    """Segments without words because they failed or were dropped."""

    cards: int = 0
    speaking: set[SegmentId] = field(default_factory=set)
    """Segments without a terminal event."""

    ended: CallEnded | None = None
    agent: str = ""
    tags: tuple[str, ...] = ()
    _keywords_of: dict[SegmentId, tuple[str, ...]] = field(default_factory=dict)

    def feed(self, entry: Entry) -> None:
        """Take the next event."""
        self.version += 1
        match entry.event:
            case CallStarted():
                self.started = entry.event
                self.agent = self.agent or dict(entry.event.metadata).get("agent", "")
            case SpeechStarted(segment):
                self.speaking.add(segment)
            case Partial(segment, span, words=words):
                self._say(segment, words, span.end, is_partial=True)
            case Final():
                self._final(entry.event)
            case SegmentRevised(final):
                self._count_keywords(final)
                if self.last and self.last.segment == final.segment:
                    self._say(final.segment, final.words, final.span.end, is_partial=False)
            case SegmentFailed(segment) | SegmentDropped(segment):
                self.failed += 1
                self._end(segment)
            case AudioGap(span=span, account="lost_upstream"):
                self.lost += span.end - span.start
            case LineWarning(channel, fault):
                if len(self.line) < _MOST_WARNINGS:
                    self.line[channel, fault] = entry.event
            case CallWarning(_, code, message):
                if len(self.warnings) < _MOST_WARNINGS:
                    self.warnings[code] = message
            case LoadChanged(_, level, reason):
                self.level, self.level_reason = level, reason
            case CardAdded():
                self.cards += 1
            case CallEnded():
                self.ended = entry.event
                self.speaking.clear()
            case _:
                pass

    def begin_again(self) -> "LiveCallState":
        """Return the state before the first event of another log of the call."""
        return LiveCallState(self.call_id, self.version + 1, agent=self.agent, tags=self.tags)

    def describe(self, agent: str, tags: tuple[str, ...]) -> None:
        """Set what the site has added to the call."""
        if (agent or self.agent, tags) != (self.agent, self.tags):
            self.agent, self.tags = agent or self.agent, tags
            self.version += 1

    def role(self, channel: int) -> str:
        """Return the role of a channel."""
        roles = self.started.roles if self.started else ()
        return roles[channel] if channel < len(roles) else "mixed"

    def top_keywords(self) -> dict[str, int]:
        """Return the keywords that were found most often, with their number."""
        return dict(self.keywords.most_common(_MOST_KEYWORDS))

    def _final(self, final: Final) -> None:
        self.finals += 1
        self.talk[final.segment.channel] += final.span.end - final.span.start
        self._count_keywords(final)
        self._say(final.segment, final.words, final.span.end, is_partial=False)
        self._end(final.segment)

    def _count_keywords(self, final: Final) -> None:
        """Count the keywords of a final; of a revised one, instead of those before."""
        if before := self._keywords_of.pop(final.segment, ()):
            self.keywords.subtract(before)
            self.keywords += Counter()
        if final.keywords_found:
            self._keywords_of[final.segment] = final.keywords_found
            self.keywords.update(final.keywords_found)

    def _say(
        self, segment: SegmentId, words: tuple[Word, ...], at: int, *, is_partial: bool
    ) -> None:
        text = " ".join(word.text for word in words)
        if text:
            self.last = LastWords(segment, tail(text), at, is_partial)
        elif self.last and self.last.segment == segment:
            self.last = None  # redaction or a check has withdrawn the words of the partials

    def _end(self, segment: SegmentId) -> None:
        self.speaking.discard(segment)
        if self.last and self.last.is_partial and self.last.segment == segment:
            self.last = None


def tail(text: str) -> str:
    """Return the end of a text, at most `LONGEST_WORDS` characters."""
    return text if len(text) <= LONGEST_WORDS else "…" + text[1 - LONGEST_WORDS :]
