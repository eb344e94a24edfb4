"""
What redaction knows of a call: facts about the numbers of recent segments, but none of their digits.

The state holds how many digits a number has, whether they may begin a card number, where it is, and what it is
about. The facts of a segment do not depend on the order in which workers finish segments.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from ..clock import from_seconds
from ..events import SegmentId, Span
from .segment.cues import CARD_TOPICS, Topic

_PAUSE = from_seconds(20.0)
"""Longest pause, in samples, after which a number goes on in the next segment of its channel."""

_MEMORY = from_seconds(60.0)
"""How long, in samples, a question for a number and a card number count for what follows."""

_MOST_FACTS = 64


@dataclass(frozen=True, slots=True)
class Edge:
    """A number at the beginning or the end of a segment, which other segments may continue."""

    count: int
    """Number of digits."""

    begins_card: bool
    in_fours: bool
    is_other: bool
    """It is known to be something else than card data."""

    kind: str = ""
    """The kind as which it is masked; empty if it is shown."""

    first: int = 0
    last: int = 0
    """Indices of its words among the shown words, both included. Only of a number that is shown."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one segment says about numbers."""

    segment: SegmentId
    span: Span
    lead: Edge | None = None
    trail: Edge | None = None
    """The same as `lead` if the segment is one number."""

    is_whole: bool = False
    """The segment is one number and nothing else."""

    is_silent: bool = False
    topic: Topic | None = None
    """The last cue."""

    has_card: bool = False
    """A card number ends in it."""


@dataclass(frozen=True, slots=True)
class CallState:
    """The facts of the recent segments of a call."""

    facts: tuple[Fact, ...] = ()

    def encode(self) -> bytes:
        """Encode for Redis."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, payload: bytes | None) -> "CallState":
        """Decode. Nothing, or bytes of another version, give the state at the start of a call."""
        try:
            return msgspec.msgpack.decode(payload, type=cls) if payload else cls()
        except msgspec.MsgspecError:
            return cls()

    def without(self, segment: SegmentId) -> "CallState":
        """The state without a segment: its job may have been done before."""
        return CallState(tuple(fact for fact in self.facts if fact.segment != segment))

    def adding(self, fact: Fact) -> "CallState":
        """The state with one more segment, and without segments that are too old to matter."""
        recent = [one for one in self.facts if one.span.end >= fact.span.start - 2 * _MEMORY]
        ordered = sorted([*recent, fact], key=lambda one: (one.span.end, one.span.start))
        return CallState(tuple(ordered[-_MOST_FACTS:]))

    def replacing(self, facts: Iterable[Fact]) -> "CallState":
        """The state with newer facts of some of its segments."""
        newer = {fact.segment: fact for fact in facts}
        return CallState(tuple(newer.get(fact.segment, fact) for fact in self.facts))

    def before(self, segment: SegmentId, start: int) -> Iterator[Fact]:
        """The segments whose last number goes on in a segment that begins with one, the nearest first."""
        channel = [one for one in self.facts if one.segment.channel == segment.channel]
        earlier = [one for one in channel if one.segment.number < segment.number]
        kind = ""
        for fact in sorted(earlier, key=lambda one: -one.segment.number):
            if start - fact.span.end > _PAUSE:
                return
            start = fact.span.start
            if fact.is_silent:
                continue
            if fact.trail is None or fact.trail.is_other:
                return
            if kind and fact.trail.kind not in ("", kind):
                return
            kind = kind or fact.trail.kind
            yield fact
            if not fact.is_whole:
                return

    def after(self, segment: SegmentId, end: int) -> Iterator[Fact]:
        """The segments whose first number continues that of a segment that ends with one, the nearest first."""
        channel = [one for one in self.facts if one.segment.channel == segment.channel]
        later = [one for one in channel if one.segment.number > segment.number]
        for fact in sorted(later, key=lambda one: one.segment.number):
            if fact.span.start - end > _PAUSE:
                return
            end = fact.span.end
            if fact.is_silent:
                continue
            if fact.lead is None or fact.lead.is_other:
                return
            yield fact
            if not fact.is_whole:
                return

    def topic(self, start: int) -> tuple[Topic | None, int]:
        """
        What was spoken of last before `start`, in any channel, and where on the call clock.

        A card number answers the question for it. A thing that may be paid by card keeps an earlier topic.
        """
        weak: tuple[Topic | None, int] = (None, 0)
        for fact in reversed(self.facts):
            if fact.span.start > start:
                continue
            if start - fact.span.end > _MEMORY:
                break
            if fact.topic is Topic.OTHER_WEAK:
                weak = weak if weak[0] else (fact.topic, fact.span.end)
            elif fact.topic is not None and not (fact.has_card and fact.topic in CARD_TOPICS):
                return fact.topic, fact.span.end
            if fact.has_card:
                break
        return weak

    def is_after_card(self, start: int) -> bool:
        """Whether a card number ended shortly before `start`, in any channel."""
        return any(
            fact.has_card and fact.span.start <= start and start - fact.span.end <= _MEMORY
            for fact in self.facts
        )


def masked(fact: Fact, edge: Edge, kind: str) -> Fact:
    """The fact after `edge` was masked as `kind`: the words behind it have moved, if it was shown before."""
    moved = 0 if edge.kind else edge.last - edge.first

    def of(other: Edge | None) -> Edge | None:
        if other == edge:
            return replace(edge, kind=kind)
        if other is None or other.first < edge.first:
            return other
        return replace(other, first=other.first - moved, last=other.last - moved)

    return replace(fact, lead=of(fact.lead), trail=of(fact.trail))
