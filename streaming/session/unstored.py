"""
The event logs of ended calls that are not stored yet, within a memory limit.

Redis keeps their events in the outbox until the recorder has stored them, but Redis may lose everything.  So the
gateway that ended a call keeps its log until then, and writes it again to a Redis that has lost it.  When the limit
is reached, the call that ended first is dropped first.  Pure: the state of Redis is passed to `poll`.
"""

from dataclasses import dataclass, field

from broker.queries import EntryId, ServerProbe
from broker.redis_keys import Partition

from ..call.checkpoint import Checkpoint
from ..call.known_events import KnownEvents
from ..call.ledger import LogEvent
from ..call_store import CallStore


@dataclass(frozen=True, slots=True, eq=False)
class EndedCall:
    """A call whose event log is complete."""

    queue: CallStore
    checkpoint: Checkpoint
    log: KnownEvents = field(repr=False)
    """All events of its log.  Nothing is added to it any more."""

    @property
    def known(self) -> tuple[LogEvent, ...]:
        """The events of its log, unpacked."""
        return tuple(LogEvent(*event) for event in self.log)

    @property
    def size(self) -> int:
        """Bytes of memory that its log takes."""
        return self.log.held_bytes


class Unstored:
    """The ended calls of one gateway that are not stored yet; their logs use at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[EndedCall, EntryId | None] = {}
        self._last: dict[Partition, ServerProbe] = {}
        self.size = 0
        """Bytes held."""

    def __len__(self) -> int:
        """Return the number of calls held."""
        return len(self._held)

    def hold(self, call: EndedCall) -> list[EndedCall]:
        """Add an ended call.  Returns the calls dropped to stay within the limit, oldest first."""
        self._held[call] = None
        self.size += call.size
        gone = []
        while self.size > self._limit:
            oldest = next(iter(self._held))
            self._drop(oldest)
            gone.append(oldest)
        return gone

    def poll(self, partition: Partition, probe: ServerProbe) -> list[EndedCall]:
        """
        Take the state of a partition's server.  Returns the calls whose logs must be written to it again.

        The first poll returns all calls, because the earlier state of the server is unknown.  A call counts as
        stored when every entry that was in the outbox at the call's first poll has left the outbox.
        """
        last, self._last[partition] = self._last.get(partition), probe
        ours = [one for one in self._held if one.queue.keys.partition == partition]
        if not last or last.life != probe.life or last.added > probe.added:
            self._held |= dict.fromkeys(ours)
            return ours
        for one in ours:
            mark = self._held[one]
            if mark is None:
                self._held[one] = probe.newest
            elif probe.oldest is None or probe.oldest > mark:
                self._drop(one)
        return []

    def _drop(self, call: EndedCall) -> None:
        del self._held[call]
        self.size -= call.size
