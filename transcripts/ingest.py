"""
Store a batch of outbox entries.  Blocks: run it off the event loop.

A bad entry does not affect the others.  An entry that cannot be read or stored is quarantined, and tried again
when the next recorder starts.
"""

from collections.abc import Sequence

from .outbox import Arrival, Quarantined, Recorded, UnreadableEntryError, read
from .store import RefusedError, Store

_Readable = Sequence[tuple[Arrival, Recorded]]


def take_in(store: Store, arrivals: Sequence[Arrival]) -> list[Quarantined]:
    """Store `arrivals`, in one transaction if all are valid.  Returns the quarantined entries."""
    readable: list[tuple[Arrival, Recorded]] = []
    aside: list[Quarantined] = []
    for arrival in arrivals:
        try:
            readable.append((arrival, read(arrival)))
        except UnreadableEntryError as exc:
            aside.append(Quarantined(arrival, str(exc)))
    aside += _store(store, readable)
    if aside:
        store.set_aside(aside)
    return aside


def try_again(store: Store) -> int:
    """Store quarantined entries that this version can read.  Returns how many entries were stored."""
    released = 0
    for one in store.quarantined():
        try:
            store.record([read(one.arrival)])
        except (UnreadableEntryError, RefusedError):
            continue
        store.release(one.arrival)
        released += 1
    return released


def _store(store: Store, readable: _Readable) -> list[Quarantined]:
    """Store a batch.  If the store refuses it, split it in halves until only the bad entries are left."""
    try:
        store.record([one for _, one in readable])
    except RefusedError as exc:
        if len(readable) == 1:
            return [Quarantined(readable[0][0], str(exc))]
        half = len(readable) // 2
        return _store(store, readable[:half]) + _store(store, readable[half:])
    return []
