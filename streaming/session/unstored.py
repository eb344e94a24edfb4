"""
Calls that are over and not stored yet: what the gateway holds of them, and how much of that.

Redis keeps their events in the outbox until the recorder has stored them, but Redis may lose everything.  So the
gateway that has ended a call holds its log until then, and tells it again to a Redis that has lost it.  The log is
held within a limit: the call that ended first is let go first.  Pure: what Redis says comes in by `look`.
"""

from dataclasses import dataclass, field

from broker.queries import EntryId, Probe
from broker.redis_keys import Partition

from ..call.checkpoint import Checkpoint
from ..call.ledger import LogEvent
from ..call_store import CallStore


@dataclass(frozen=True, slots=True, eq=False)
class EndedCall:
    """A call whose last event is in the log."""

    queue: CallStore
    checkpoint: Checkpoint
    known: tuple[LogEvent, ...] = field(repr=False)
    """Its whole log."""

    @property
    def size(self) -> int:
        """Bytes of its log."""
        return sum(len(event.payload) for event in self.known)


class Unstored:
    """The ended calls of one gateway that are not stored yet, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[EndedCall, EntryId | None] = {}
        self._last: dict[Partition, Probe] = {}
        self.size = 0
        """Bytes held."""

    def __len__(self) -> int:
        """How many calls are held."""
        return len(self._held)

    def hold(self, call: EndedCall) -> list[EndedCall]:
        """A call has ended; returns the calls that are let go for want of room, the oldest first."""
        self._held[call] = None
        self.size += call.size
        gone = []
        while self.size > self._limit:
            oldest = next(iter(self._held))
            self._drop(oldest)
            gone.append(oldest)
        return gone

    def poll(self, partition: Partition, probe: Probe) -> list[EndedCall]:
        """
        Take in how a partition's server is; returns the calls that it has to be told again.

        That is all of them at the first look: nobody knows what the server was before.
        What was in the outbox when a call was first seen there is stored when all of that has left the outbox.
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
