"""
All calls in progress that are followed, and what has changed of them for one view.

Pure: `follow` and `forget` change the board; a `View` returns the messages for its readers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from protocol.tenants import bare, parted

from .call_state import LiveCallState
from .rows import LiveCallBody, live_row


class LiveMessage(msgspec.Struct):
    """
    One message of the stream: the calls that have changed, and the ids of those that are over.

    `n` counts the messages of a view without holes.  `snapshot`: the message has all calls, so the reader forgets
    what it knew.
    """

    n: int
    snapshot: bool
    calls: list[msgspec.Raw]
    gone: list[str]


@dataclass(slots=True)
class Board:
    """The states of calls by filed id; encoded rows are kept until the call changes."""

    states: dict[str, LiveCallState] = field(default_factory=dict)
    _rows: dict[str, tuple[int, msgspec.Raw]] = field(default_factory=dict)

    def put(self, state: LiveCallState) -> None:
        """Add a call, or replace its state."""
        self.states[state.call_id] = state

    def remove(self, call_id: str) -> None:
        """Forget a call."""
        self.states.pop(call_id, None)
        self._rows.pop(call_id, None)

    def row(self, state: LiveCallState) -> msgspec.Raw:
        """Return the encoded row of a call."""
        kept = self._rows.get(state.call_id)
        if kept is None or kept[0] != state.version:
            row: LiveCallBody = live_row(state)
            kept = state.version, msgspec.Raw(msgspec.json.encode(row))
            self._rows[state.call_id] = kept
        return kept[1]

    def visible(self, tenant: str, only: str | None) -> Iterator[LiveCallState]:
        """Yield the calls of a tenant that have begun; `only`: the only filed id that may be seen."""
        for state in self.states.values():
            is_theirs = parted(state.call_id)[0] == tenant and only in (None, state.call_id)
            if is_theirs and state.started is not None:
                yield state


@dataclass(slots=True)
class View:
    """What the readers with the same rights have been told."""

    board: Board
    tenant: str
    only: str | None = None
    n: int = 0
    _told: dict[str, int] = field(default_factory=dict)

    def changes(self) -> bytes | None:
        """Return the message about what has changed since the last one; None if nothing has."""
        states = {one.call_id: one for one in self.board.visible(self.tenant, self.only)}
        changed = [one for name, one in states.items() if self._told.get(name) != one.version]
        gone = [name for name in self._told if name not in states]
        if not changed and not gone:
            return None
        self._told = {name: one.version for name, one in states.items()}
        self.n += 1
        rows = [self.board.row(one) for one in changed]
        return _encoded(LiveMessage(self.n, snapshot=False, calls=rows, gone=[*map(bare, gone)]))

    def snapshot(self) -> bytes:
        """Return the message with all calls, as far as `changes` has told them."""
        return _encoded(self.all_calls())

    def all_calls(self) -> LiveMessage:
        """Return the snapshot as a value."""
        states = (self.board.states.get(name) for name in self._told)
        rows = [self.board.row(one) for one in states if one is not None]
        return LiveMessage(self.n, snapshot=True, calls=rows, gone=[])


def _encoded(message: LiveMessage) -> bytes:
    body = msgspec.json.encode(message)
    return b"id: %d\nevent: calls\ndata: %b\n\n" % (message.n, body)
