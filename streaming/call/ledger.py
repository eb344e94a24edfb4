"""
The segments and events of one call, and which of them Redis has.

The gateway keeps a segment until its terminal event has come back.  If Redis loses its data, everything is written
again.  Pure: `due` returns the writes to perform, `wrote` reports a completed write.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from protocol.clock import CALL_RATE, from_rate
from protocol.events import SegmentId, Span

from ..audio.packed_audio import PackedAudio
from .known_events import KnownEvents

_WINDOW = 32_000_000
"""Default window in bytes: 2,000 seconds of speech at 8 kHz of one call that is not transcribed yet."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Write: append an event of the gateway to the event log, once for each `name`."""

    name: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoreAudio:
    """Write: append audio of a segment after the `offset` bytes that are stored.  16-bit PCM at its rate."""

    segment: SegmentId
    offset: int
    audio: bytes = field(repr=False)
    partial: bytes = field(repr=False, default=b"")
    """Job of a partial to queue after the write; empty: no partial."""


@dataclass(frozen=True, slots=True)
class QueueDraft:
    """Write: queue the draft of a segment that ends soon unless speech goes on, and whose audio is stored."""

    segment: SegmentId
    job: bytes = field(repr=False)
    size: int
    """Bytes of audio that must be stored."""


@dataclass(frozen=True, slots=True)
class QueueFinal:
    """Write: queue the final of a closed segment whose audio is stored."""

    segment: SegmentId
    job: bytes = field(repr=False)
    size: int
    """Bytes of audio that must be stored."""

    recorded: bool = False
    """Whether the job goes to the job stream of recordings."""

    drafted: bool = False
    """Whether a draft with the same job was queued: if it is done, it becomes the final."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Write: end a segment that cannot be queued, with a terminal event of the gateway."""

    segment: SegmentId
    payload: bytes = field(repr=False)


Write = LogEvent | StoreAudio | QueueDraft | QueueFinal | GiveUp


@dataclass(slots=True)
class _Held:
    """A segment that has no terminal event yet.  `rate`: of its audio, in Hz."""

    start: int
    rate: int
    audio: PackedAudio = field(default_factory=PackedAudio)
    stored: int = 0
    wanted: bytes = b""
    """Job of a partial to request."""

    draft: QueueDraft | None = None
    """A draft to queue."""

    drafted: bytes = b""
    """Job of the draft that was queued last."""

    end: int | None = None
    job: bytes = b""
    """Job of the final, once the segment is closed."""

    drop_event: bytes = b""
    """Terminal event of a segment whose audio is lost."""

    queued: bool = False

    @property
    def safe(self) -> int | None:
        """Position up to which Redis has the audio, on the call clock; None if it has all of it."""
        if 0 < self.stored == len(self.audio) or self.drop_event:
            return None
        return self.position(self.stored)

    @property
    def received(self) -> int:
        """Position up to which the audio was received, on the call clock."""
        return self.position(len(self.audio))

    def position(self, size: int) -> int:
        """Position after the first `size` bytes of the audio, on the call clock."""
        return self.start + from_rate(size // 2, self.rate)


class Ledger:
    """
    The unsettled segments and the events of one call.

    After each input, read `due`, perform its writes in order and report each by `wrote`.
    """

    def __init__(
        self,
        piece: int,
        window: int = _WINDOW,
        *,
        rate: int = CALL_RATE,
        recorded: bool = False,
    ) -> None:
        """
        `piece`: bytes of an open segment from which a write is worthwhile; `recorded`: the call is a recording.

        `rate`: sample rate of the audio of segments that are opened here, in Hz.

        `window`: limit of unsettled audio in Redis, in bytes; the segment that reaches it is still written.  Newer
        segments wait here until older ones are settled.
        """
        self.rate = rate
        self._recorded = recorded
        self._piece = piece
        self._window = window
        self._held: dict[SegmentId, _Held] = {}
        self._events: dict[str, LogEvent] = {}
        self._sent: set[str] = set()
        self._known = KnownEvents()

    def log(self, name: str, payload: bytes) -> None:
        """Add an event of the gateway, to be written to the event log."""
        self._events[name] = LogEvent(name, payload)

    def apply(self, name: str, payload: bytes) -> None:
        """Note the next entry read back from the event log: an event of the gateway or a terminal event."""
        self._known.append(name, payload)
        self._events.pop(name, None)
        self._sent.discard(name)

    def replace(self, name: str, payload: bytes) -> None:
        """Replace an entry that was read back from the event log: its segment was revised."""
        self._known.replace(name, payload)

    @property
    def known(self) -> tuple[LogEvent, ...]:
        """All entries read back from the event log; written first to a Redis that lost its data."""
        return tuple(LogEvent(*event) for event in self._known)

    @property
    def packed(self) -> KnownEvents:
        """The same entries, in less memory."""
        return self._known.copy()

    @property
    def pending(self) -> tuple[LogEvent, ...]:
        """Events of the gateway that have not been read back from the event log."""
        return tuple(self._events.values())

    def ends_early(self, segment: SegmentId, end: int) -> bool:
        """Return whether a terminal event that ends at `end` omits received audio of the segment."""
        held = self._held.get(segment)
        return held is not None and (held.end is None or end < held.end)

    def reaches(self, channel: int, position: int) -> bool:
        """Return whether the channel has unsettled speech after `position`, on the call clock."""
        return any(
            segment.channel == channel and (held.end or held.received) > position
            for segment, held in self._held.items()
        )

    def open(self, segment: SegmentId, start: int) -> None:
        """Add a segment that begins at `start`, on the call clock."""
        self._held[segment] = _Held(start, self.rate)

    def feed(self, segment: SegmentId, audio: bytes) -> None:
        """Append audio to an open segment: 16-bit PCM at `rate`."""
        self._held[segment].audio.append(audio)

    def want_partial(self, segment: SegmentId, job: bytes) -> None:
        """Request a partial of the open segment in its current state."""
        self._held[segment].wanted = job

    def want_draft(self, segment: SegmentId, job: bytes, size: int) -> None:
        """Request the draft of an open segment: of the first `size` bytes received.  `job`: that of its final."""
        self._held[segment].draft = QueueDraft(segment, job, size)

    def close(self, segment: SegmentId, span: Span, size: int, job: bytes) -> None:
        """Close a segment; its audio is the first `size` bytes received.  `job`: the job of its final."""
        held = self._held[segment]
        held.audio.truncate(size)
        held.stored = min(held.stored, size)
        held.end, held.job, held.wanted, held.draft = span.end, job, b"", None

    def inherit(
        self, segment: SegmentId, span: Span, audio: bytes, rate: int, job: bytes, *, queued: bool
    ) -> None:
        """
        Add a closed segment that another gateway left in Redis.

        `rate`: of its audio, in Hz; `queued`: the job of its final is queued.
        """
        self._held[segment] = _Held(
            span.start, rate, PackedAudio(audio), len(audio), end=span.end, job=job, queued=queued
        )

    def drop(self, segment: SegmentId, at: int, payload: bytes, *, queued: bool) -> None:
        """
        Add a segment without audio at `at`, on the call clock.  `payload`: its terminal event.

        `queued`: another terminal event is on its way; do not write `payload`.
        """
        self._held[segment] = _Held(at, self.rate, end=at, drop_event=payload, queued=queued)

    def settle(self, segment: SegmentId) -> None:
        """Remove a segment whose terminal event has come back."""
        self._held.pop(segment, None)

    @property
    def unsettled(self) -> frozenset[SegmentId]:
        """The segments that have no terminal event yet."""
        return frozenset(self._held)

    @property
    def other_rates(self) -> dict[str, int]:
        """The rates of the unsettled segments that do not have this ledger's `rate`."""
        return {
            str(segment): held.rate
            for segment, held in self._held.items()
            if held.rate != self.rate
        }

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that audio takes."""
        return sum(held.audio.held_bytes for held in self._held.values())

    def safe(self, channel: int) -> int | None:
        """Return the position up to which Redis has the channel, on the call clock; None if Redis has all."""
        places = [held.safe for segment, held in self._held.items() if segment.channel == channel]
        return min((place for place in places if place is not None), default=None)

    @property
    def is_urgent(self) -> bool:
        """Whether more is due than audio and partials of open segments, which may be written a moment later."""
        return len(self._events) > len(self._sent) or any(
            not held.queued and (held.job or held.drop_event or held.draft)
            for held in self._held.values()
        )

    def due(self) -> Iterator[Write]:
        """Yield the writes to perform now, in order.  Calling again before `wrote` yields the same."""
        yield from (event for name, event in self._events.items() if name not in self._sent)
        for segment, held in self._open():
            yield from self._due_of(segment, held)

    @property
    def has_due(self) -> bool:
        """Whether there are writes to perform now."""
        return len(self._sent) < len(self._events) or any(
            held.draft or held.job or held.drop_event or self._has_audio(held)
            for _, held in self._open()
        )

    def _open(self) -> Iterator[tuple[SegmentId, _Held]]:
        """Yield the segments that are not queued, as far as the window goes."""
        room = self._window
        for segment, held in self._held.items():
            if room <= 0:
                return
            room -= len(held.audio)
            if not held.queued:
                yield segment, held

    def _has_audio(self, held: _Held) -> bool:
        """Return whether audio of a segment must be stored now."""
        fresh = len(held.audio) - held.stored
        lacks = held.draft is not None and held.stored < held.draft.size
        return bool(held.wanted) or lacks or fresh >= self._piece or (bool(held.job) and fresh > 0)

    def _due_of(self, segment: SegmentId, held: _Held) -> Iterator[Write]:
        if self._has_audio(held):
            yield StoreAudio(segment, held.stored, held.audio.read(held.stored), held.wanted)
        if held.draft:
            yield held.draft
        if held.job:
            drafted = held.job == held.drafted
            yield QueueFinal(segment, held.job, len(held.audio), self._recorded, drafted)
        if held.drop_event:
            yield GiveUp(segment, held.drop_event)

    def wrote(self, write: Write) -> None:
        """Note that Redis has completed `write`."""
        match write:
            case LogEvent(name):
                if name in self._events:
                    self._sent.add(name)
            case StoreAudio(segment, offset, audio, partial):
                if held := self._held.get(segment):
                    held.stored = max(held.stored, min(offset + len(audio), len(held.audio)))
                    held.wanted = b"" if held.wanted == partial else held.wanted
            case QueueDraft(segment, job):
                if held := self._held.get(segment):
                    held.drafted = job
                    held.draft = None if held.draft == write else held.draft
            case QueueFinal(segment) | GiveUp(segment):
                if held := self._held.get(segment):
                    held.queued = True

    def missing(self, segment: SegmentId, there: int) -> None:
        """Redis has only the first `there` bytes of the segment: write the rest again."""
        if held := self._held.get(segment):
            held.stored = there

    def doubt(self) -> None:
        """Queue all unsettled segments again.  Redis ignores jobs that are still in their job stream."""
        for held in self._held.values():
            held.queued = False

    def lost(self) -> None:
        """Redis has lost its data: write everything again."""
        self._sent.clear()
        for held in self._held.values():
            held.stored, held.queued, held.drafted = 0, False, b""
