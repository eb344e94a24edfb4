"""Data of a segment that clients of other vendors' APIs need: times of every word, and the end of a turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...calls.call import Role
from ...events import (
    Final,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    TranscriptEvent,
    Word,
)


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with times, measured or estimated, in samples of the call clock."""

    text: str
    start: int
    end: int
    confidence: float
    speaker: int | None = None
    role: Role | None = None


CERTAIN = 1.0
"""Confidence of words from engines that give none: clients discard words below a limit of their own."""


def timed(words: Sequence[Word], span: Span) -> tuple[TimedWord, ...]:
    """Words with times.  If any time is missing, all words share `span` in proportion to their letters."""
    if all(word.start is not None and word.end is not None for word in words):
        return tuple(_at(word, word.start or 0, word.end or 0) for word in words)
    letters = sum(len(word.text) + 1 for word in words)
    spread, position = [], 0
    for word in words:
        start = span.start + (span.end - span.start) * position // letters
        position += len(word.text) + 1
        end = span.start + (span.end - span.start) * position // letters
        spread.append(_at(word, start, end))
    return tuple(spread)


def _at(word: Word, start: int, end: int) -> TimedWord:
    return TimedWord(word.text, start, end, _confidence(word), word.speaker, word.role)


def letter(speaker: int) -> str:
    """The name that OpenAI and AssemblyAI have for a speaker: `A` is the first of a call."""
    return chr(ord("A") + speaker)


def mean_confidence(words: Sequence[TimedWord]) -> float:
    """Mean confidence of a segment, 0 to 1."""
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def _confidence(word: Word) -> float:
    return CERTAIN if word.confidence is None else round(word.confidence, 4)


class Turns:
    """The open segments of a call: those that have begun and have no terminal event in the event log yet."""

    def __init__(self) -> None:
        self._open: dict[SegmentId, int] = {}

    def apply(self, event: TranscriptEvent) -> None:
        """Apply an event of the event log."""
        match event:
            case SpeechStarted(segment, start):
                self._open[segment] = start
            case Final() | SegmentFailed() | SegmentDropped():
                self._open.pop(event.segment, None)
            case _:
                pass

    def latest(self, channel: int) -> SegmentId | None:
        """The newest open segment of a channel, or None."""
        numbers = [segment.number for segment in self._open if segment.channel == channel]
        return SegmentId(channel, max(numbers)) if numbers else None

    def goes_on(self, final: Final) -> bool:
        """Whether speech continues right after a final: then the segment was cut for its length, inside a turn."""
        channel = final.segment.channel
        return any(
            segment.channel == channel and start <= final.span.end
            for segment, start in self._open.items()
        )
