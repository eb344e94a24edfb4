"""Positions of logs: the last seq of hundreds of calls in one command, for readers that wait."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from protocol.calls.call import Role
from protocol.events import CallStarted, Entry, LogEntry
from protocol.events.event_codec import decode_entry

from ..redis_keys import CallKeys, parse_entry_id
from ..redis_scripts.lua import load

_AT_ONCE = 250
"""Calls in one command; limits how long the command blocks Redis."""

_SOURCE = load("log_positions")


@dataclass(frozen=True, slots=True)
class LogPosition:
    """The name of a call's log, and the last `seq` in it."""

    log: bytes
    seq: int


class LogPositions:
    """Reads positions of logs from Redis."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(_SOURCE)

    async def read(self, metas: Iterable[str]) -> dict[str, LogPosition]:
        """
        Positions by `meta` key; calls that have not begun are left out. Raises the errors of redis-py.

        `metas`: the `meta` keys of calls. Keys of one partition share a command.
        """
        found: dict[str, LogPosition] = {}
        for keys in _batches(metas):
            answers: Any = await self._script(keys=keys)
            for key, (log, seq) in zip(keys, answers, strict=True):
                if log is not None and seq is not None:
                    found[key] = LogPosition(log, int(seq))
        return found


@dataclass(frozen=True, slots=True)
class LogStatus:
    """State of a call, from the first and the last entry of its log."""

    roles: tuple[Role, ...]
    """Roles of its channels; empty before the call has begun."""

    last: int
    """The last `seq`; 0 before the call has begun."""

    ended: int | None
    """`seq` of `call.ended`; None while the call is in progress."""


async def read_log_status(redis: Redis, keys: CallKeys) -> LogStatus:
    """Read the state of a call. Raises the errors of redis-py."""
    first: Any = await redis.xrange(keys.log, count=1)
    last: Any = await redis.xrevrange(keys.log, count=1)
    opening, closing = ([entry_from(one) for one in page] for page in (first, last))
    return LogStatus(
        next(map(_roles, opening), ()),
        next((one.seq or 0 for one in closing), 0),
        next((one.seq for one in closing if one.is_last), None),
    )


def entry_from(stored: tuple[bytes, dict[bytes, bytes]]) -> LogEntry:
    """Decode an entry of an event log as redis-py returns it: its id and its fields."""
    entry_id, fields = stored
    return decode_entry(parse_entry_id(entry_id)[0], fields.get(b"e", b""))


def _roles(entry: LogEntry) -> tuple[Role, ...]:
    match entry:
        case Entry(CallStarted(roles)):
            return roles
        case _:
            return ()


def _batches(metas: Iterable[str]) -> Iterator[list[str]]:
    """Groups of keys of one partition each: the text before `}` is their hash tag."""
    partitions: defaultdict[str, list[str]] = defaultdict(list)
    for meta in metas:
        partitions[meta.partition("}")[0]].append(meta)
    for keys in partitions.values():
        for start in range(0, len(keys), _AT_ONCE):
            yield keys[start : start + _AT_ONCE]
