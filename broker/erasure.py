"""Delete the keys of a call that has ended."""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from protocol.events import SegmentId

from .queries import server_time
from .redis_keys import CallKeys

_AT_ONCE = 500
_SILENT_SECONDS = 60.0


async def is_in_progress(redis: Redis, keys: CallKeys) -> bool:
    """Return whether a gateway has sent a heartbeat for the call in the last minute."""
    heartbeat: Any = await redis.zscore(keys.partition.calls, keys.call_id)
    return heartbeat is not None and float(heartbeat) > await server_time(redis) - _SILENT_SECONDS


async def erase_call(redis: Redis, keys: CallKeys, segments: Iterable[SegmentId]) -> None:
    """
    Delete the log and the state of a call, and the audio of its segments.

    `segments`: those that are stored; segments that only Redis knows are found there.
    """
    settled: Any = await redis.hkeys(keys.settled)
    known = {*segments, *_named(settled)}
    names = [keys.log, keys.settled, keys.meta, keys.job, keys.content]
    names += [key for one in known for key in (keys.audio(one), keys.state(one))]
    for first in range(0, len(names), _AT_ONCE):
        await redis.unlink(*names[first : first + _AT_ONCE])


def _named(settled: Iterable[bytes]) -> Iterable[SegmentId]:
    for name in settled:
        try:
            yield SegmentId.parse(name.decode())
        except ValueError:  # the name of another event
            continue
