"""
What was heard in a call, and what of it Redis has.

The gateway owns a segment until its terminal event has come back: Redis may lose everything at any time and
is then told again.  Pure: `due` says what is to be written, `wrote` takes in what came of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from protocol.clock import UPSAMPLING
from protocol.events import SegmentId, Span

_WINDOW = 32_000_000
"""Bytes: a thousand seconds of speech of one call that no worker has read."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Put an event of the gateway into the call's log, once for each `name`."""

    name: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoreAudio:
    """Put the audio of a segment behind the `offset` bytes that are there."""

    segment: SegmentId
    offset: int
    audio: bytes = field(repr=False)
    partial: bytes = field(repr=False, default=b"")
    """A job when somebody wants to read the open segment now."""


@dataclass(frozen=True, slots=True)
class QueueFinal:
    """Queue a whole segment, whose audio is there."""

    segment: SegmentId
    job: bytes = field(repr=False)
    size: int
    """Bytes of audio that must be there."""

    recorded: bool = False
    """It goes into the lane of recordings."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End a segment that cannot be queued, with a terminal event of the gateway's own."""

    segment: SegmentId
    payload: bytes = field(repr=False)


Write = LogEvent | StoreAudio | QueueFinal | GiveUp


@dataclass(slots=True)
class _Held:
    """A segment that has no terminal event yet."""

    start: int
    audio: bytearray = field(default_factory=bytearray)
    stored: int = 0
    wanted: bytes = b""
    """The job of a partial that is to be asked for."""

    end: int | None = None
    job: bytes = b""
    """The job of the final, once the segment is closed."""

    drop_event: bytes = b""
    """The terminal event of a segment that has no audio any more."""

    queued: bool = False

    @property
    def safe(self) -> int | None:
        """Up to where Redis has it, on the call clock; None when it has all that was heard."""
        if 0 < self.stored == len(self.audio) or self.drop_event:
            return None
        return self.start + self.stored // (2 * UPSAMPLING)


class Ledger:
    """
    One call's account of segments and events.

    Whoever feeds it asks `due` afterwards; writes are to be done in order, and each reported by `wrote`.
    """

    def __init__(self, piece: int, window: int = _WINDOW, *, recorded: bool = False) -> None:
        """
        `piece`: bytes of an open segment worth a write of their own; `recorded`: nothing of it is live.

        `window`: bytes of unsettled audio that Redis gets at most, but for the segment that reaches it; newer
        segments wait here until older ones are settled.
        """
        self._recorded = recorded
        self._piece = piece
        self._window = window
        self._held: dict[SegmentId, _Held] = {}
        self._events: dict[str, LogEvent] = {}
        self._sent: set[str] = set()
        self._known: list[LogEvent] = []

    def log(self, name: str, payload: bytes) -> None:
        """An event of the gateway's own is to stand in the log."""
        self._events[name] = LogEvent(name, payload)

    def apply(self, name: str, payload: bytes) -> None:
        """The next event of the log has come back, the gateway's own or a segment's terminal one."""
        self._known.append(LogEvent(name, payload))
        self._events.pop(name, None)
        self._sent.discard(name)

    @property
    def known(self) -> tuple[LogEvent, ...]:
        """The log as far as it has come back: what a Redis that lost everything is told first."""
        return tuple(self._known)

    @property
    def pending(self) -> tuple[LogEvent, ...]:
        """Events of the gateway's own that have not come back from the log."""
        return tuple(self._events.values())

    def ends_early(self, segment: SegmentId, end: int) -> bool:
        """Whether a terminal event up to `end` leaves something of what was heard behind it."""
        held = self._held.get(segment)
        return held is not None and (held.end is None or end < held.end)

    def reaches(self, channel: int, position: int) -> bool:
        """Whether speech of the channel lies behind `position` that has no terminal event yet."""
        return any(
            segment.channel == channel
            and (held.end or held.start + len(held.audio) // (2 * UPSAMPLING)) > position
            for segment, held in self._held.items()
        )

    def open(self, segment: SegmentId, start: int) -> None:
        """Speech has begun at `start`."""
        self._held[segment] = _Held(start)

    def feed(self, segment: SegmentId, audio: bytes) -> None:
        """More of an open segment: PCM as engines take it."""
        self._held[segment].audio += audio

    def want_partial(self, segment: SegmentId, job: bytes) -> None:
        """Somebody should look at the open segment as it is now."""
        self._held[segment].wanted = job

    def close(self, segment: SegmentId, span: Span, size: int, job: bytes) -> None:
        """Speech has ended; the first `size` bytes of what was heard are the segment."""
        held = self._held[segment]
        del held.audio[size:]
        held.stored = min(held.stored, size)
        held.end, held.job, held.wanted = span.end, job, b""

    def inherit(
        self, segment: SegmentId, span: Span, audio: bytes, job: bytes, *, queued: bool
    ) -> None:
        """A closed segment that another gateway has left in Redis; `queued` when its final is on its way."""
        self._held[segment] = _Held(
            span.start, bytearray(audio), len(audio), end=span.end, job=job, queued=queued
        )

    def drop(self, segment: SegmentId, at: int, payload: bytes, *, queued: bool) -> None:
        """A segment whose audio is gone: `payload` ends it, unless it has ended otherwise (`queued`)."""
        self._held[segment] = _Held(at, end=at, drop_event=payload, queued=queued)

    def settle(self, segment: SegmentId) -> None:
        """The terminal event has come back: nothing of the segment is needed any more."""
        self._held.pop(segment, None)

    @property
    def unsettled(self) -> frozenset[SegmentId]:
        """Segments that have no terminal event yet."""
        return frozenset(self._held)

    @property
    def held_bytes(self) -> int:
        """Audio in memory."""
        return sum(len(held.audio) for held in self._held.values())

    def safe(self, channel: int) -> int | None:
        """Up to where nothing of the channel depends on us, on the call clock; None when all is in Redis."""
        places = [held.safe for segment, held in self._held.items() if segment.channel == channel]
        return min((place for place in places if place is not None), default=None)

    def due(self) -> Iterator[Write]:
        """What is to be written now, in order.  Asking again before `wrote` gives the same."""
        yield from (event for name, event in self._events.items() if name not in self._sent)
        room = self._window
        for segment, held in self._held.items():
            if room <= 0:
                return
            room -= len(held.audio)
            if not held.queued:
                yield from self._due_of(segment, held)

    def _due_of(self, segment: SegmentId, held: _Held) -> Iterator[Write]:
        fresh = len(held.audio) - held.stored
        if held.wanted or fresh >= self._piece or (held.job and fresh):
            yield StoreAudio(segment, held.stored, bytes(held.audio[held.stored :]), held.wanted)
        if held.job:
            yield QueueFinal(segment, held.job, len(held.audio), self._recorded)
        if held.drop_event:
            yield GiveUp(segment, held.drop_event)

    def wrote(self, write: Write) -> None:
        """Redis has it."""
        match write:
            case LogEvent(name):
                if name in self._events:
                    self._sent.add(name)
            case StoreAudio(segment, offset, audio, partial):
                if held := self._held.get(segment):
                    held.stored = max(held.stored, min(offset + len(audio), len(held.audio)))
                    held.wanted = b"" if held.wanted == partial else held.wanted
            case QueueFinal(segment) | GiveUp(segment):
                if held := self._held.get(segment):
                    held.queued = True

    def missing(self, segment: SegmentId, there: int) -> None:
        """Redis has only the first `there` bytes of the segment: go back."""
        if held := self._held.get(segment):
            held.stored = there

    def doubt(self) -> None:
        """Queue again what waits for its terminal event: what still lies in its lane is not queued twice."""
        for held in self._held.values():
            held.queued = False

    def lost(self) -> None:
        """Redis has nothing any more: tell it everything again."""
        self._sent.clear()
        for held in self._held.values():
            held.stored, held.queued = 0, False
