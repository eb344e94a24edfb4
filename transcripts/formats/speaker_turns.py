"""Splits the segments of a mixed channel at the changes of its speaker, for texts that name who speaks.  Pure."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from protocol.events import Span

from ..transcript import StoredSegment, Transcript


def by_speaker(transcript: Transcript) -> Transcript:
    """The transcript with one segment for each turn.  Segments whose speakers are not known stay as they are."""
    segments = (turn for one in transcript.segments for turn in _turns(one))
    return replace(transcript, segments=tuple(segments))


def party(transcript: Transcript, one: StoredSegment) -> str:
    """Who speaks in a segment: the role of its channel or speaker, or the number of the speaker, from 1."""
    first = one.words[0] if one.words else None
    if first is None or first.speaker is None:
        return transcript.call.role(one.segment.channel)
    return first.role or f"speaker {first.speaker + 1}"


def _turns(one: StoredSegment) -> Iterator[StoredSegment]:
    groups = [tuple(words) for _, words in groupby(one.words, lambda word: word.speaker)]
    if len(groups) < 2:
        yield one
        return
    letters = sum(len(word.text) for word in one.words)
    length, start, said = one.span.end - one.span.start, one.span.start, 0
    for place, words in enumerate(groups):
        said += sum(len(word.text) for word in words)
        known = groups[place + 1][0].start if place + 1 < len(groups) else one.span.end
        end = one.span.start + length * said // max(1, letters) if known is None else known
        end = min(max(end, start), one.span.end)
        yield replace(one, words=words, span=Span(start, end))
        start = end
