"""A transcript as subtitle cues of at most two lines, each with a start and an end time.  Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.clock import from_ms
from protocol.plain_text import plain

from ..transcript import StoredSegment, Transcript
from .speaker_turns import by_speaker, party

_LINES = 2
"""Most lines in a cue, as broadcasters use."""

_SHORTEST = from_ms(1)
"""Shortest cue: it must end after its start (https://www.w3.org/TR/webvtt1/#webvtt-cue-timings)."""


@dataclass(frozen=True, slots=True)
class CueWord:
    """A word without surrounding white space; `start`, `end`: samples of the call clock, known or estimated."""

    text: str
    start: int
    end: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class SubtitleCue:
    """Text of one channel; `start`, `end`: samples of the call clock."""

    start: int
    end: int
    role: str
    lines: tuple[str, ...]


def cues(transcript: Transcript, width: int) -> list[SubtitleCue]:
    """Return the cues of all channels by start time; lines have at most `width` characters or one word."""
    transcript = by_speaker(transcript)
    found = [
        _cue(block, party(transcript, one))
        for one in transcript.spoken
        for block in _blocks(timed_words(one), width)
    ]
    return sorted(found, key=lambda cue: cue.start)


def timed_words(one: StoredSegment) -> list[CueWord]:
    """Return the words with times.  Missing times are estimated from the lengths of the words."""
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
            timed.append(CueWord(text, start, end, word.confidence))
    return timed


def _cue(block: Sequence[Sequence[CueWord]], role: str) -> SubtitleCue:
    first, last = block[0][0], block[-1][-1]
    lines = tuple(" ".join(word.text for word in line) for line in block)
    return SubtitleCue(first.start, max(last.end, first.start + _SHORTEST), role, lines)


def _blocks(words: Sequence[CueWord], width: int) -> Iterator[list[list[CueWord]]]:
    lines = _lines(words, width)
    for start in range(0, len(lines), _LINES):
        yield lines[start : start + _LINES]


def _lines(words: Sequence[CueWord], width: int) -> list[list[CueWord]]:
    """Put as many words in each line as fit, at least one."""
    lines: list[list[CueWord]] = []
    room = 0
    for word in words:
        if len(word.text) < room:
            lines[-1].append(word)
            room -= 1 + len(word.text)
        else:
            lines.append([word])
            room = width - len(word.text)
    return lines
