"""A transcript as captions: at most two lines at a time, each time with a beginning and an end.  Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.clock import from_ms
from protocol.plain_text import plain

from .transcript import StoredSegment, Transcript

_LINES = 2
"""What broadcasters put on a screen at a time."""

_SHORTEST = from_ms(1)
"""A cue has to end behind its beginning (https://www.w3.org/TR/webvtt1/#webvtt-cue-timings)."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with its place on the call clock, known or guessed; without white space at its ends."""

    text: str
    start: int
    end: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Cue:
    """What one channel says, in samples of the call clock."""

    start: int
    end: int
    role: str
    lines: tuple[str, ...]


def cues(transcript: Transcript, width: int) -> list[Cue]:
    """Both channels in the order in which they speak; lines of at most `width` characters, longer words apart."""
    found = [
        _cue(block, transcript.call.role(one.segment.channel))
        for one in transcript.spoken
        for block in _blocks(timed_words(one), width)
    ]
    return sorted(found, key=lambda cue: cue.start)


def timed_words(one: StoredSegment) -> list[TimedWord]:
    """The words of a segment; those without times share the segment's by their lengths."""
    letters = sum(len(word.text) for word in one.words)
    length = one.span.end - one.span.start
    timed, before = [], 0
    for word in one.words:
        start = one.span.start + length * before // max(1, letters)
        before += len(word.text)
        end = one.span.start + length * before // max(1, letters)
        if word.start is not None and word.end is not None:
            start, end = word.start, word.end
        if text := plain(word.text):
            timed.append(TimedWord(text, start, end, word.confidence))
    return timed


def _cue(block: Sequence[Sequence[TimedWord]], role: str) -> Cue:
    first, last = block[0][0], block[-1][-1]
    lines = tuple(" ".join(word.text for word in line) for line in block)
    return Cue(first.start, max(last.end, first.start + _SHORTEST), role, lines)


def _blocks(words: Sequence[TimedWord], width: int) -> Iterator[list[list[TimedWord]]]:
    lines = _lines(words, width)
    for start in range(0, len(lines), _LINES):
        yield lines[start : start + _LINES]


def _lines(words: Sequence[TimedWord], width: int) -> list[list[TimedWord]]:
    """As many words in each line as fit, and one at least."""
    lines: list[list[TimedWord]] = []
    room = 0
    for word in words:
        if len(word.text) < room:
            lines[-1].append(word)
            room -= 1 + len(word.text)
        else:
            lines.append([word])
            room = width - len(word.text)
    return lines
