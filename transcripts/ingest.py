"""
What a recorder does with the entries it was given.  Blocks.

One bad entry costs no good one: what cannot be read or stored is set aside, and tried again by the next
program version.
"""

from collections.abc import Sequence

from .outbox import Arrival, Quarantined, Recorded, UnreadableError, read
from .store import RefusedError, Store

_Readable = Sequence[tuple[Arrival, Recorded]]


def take_in(store: Store, arrivals: Sequence[Arrival]) -> list[Quarantined]:
    """Store what can be stored, in one transaction if all can; returns what was set aside."""
    readable: list[tuple[Arrival, Recorded]] = []
    aside: list[Quarantined] = []
    for arrival in arrivals:
        try:
            readable.append((arrival, read(arrival)))
        except UnreadableError as exc:
            aside.append(Quarantined(arrival, str(exc)))
    aside += _store(store, readable)
    if aside:
        store.set_aside(aside)
    return aside


def try_again(store: Store) -> int:
    """Store what was set aside and can be read by now; returns how many entries that was."""
    released = 0
    for one in store.quarantined():
        try:
            store.record([read(one.arrival)])
        except (UnreadableError, RefusedError):
            continue
        store.release(one.arrival)
        released += 1
    return released


def _store(store: Store, readable: _Readable) -> list[Quarantined]:
    """Store a batch; of one that is refused, halve after halve, all but what is to blame."""
    try:
        store.record([one for _, one in readable])
    except RefusedError as exc:
        if len(readable) == 1:
            return [Quarantined(readable[0][0], str(exc))]
        half = len(readable) // 2
        return _store(store, readable[:half]) + _store(store, readable[half:])
    return []
