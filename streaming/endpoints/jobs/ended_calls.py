"""The results of a recording whose call has ended, from the event log that Redis still has."""

from typing import Any

from redis.asyncio import Redis

from broker.redis_keys import CallKeys
from protocol.clock import CALL_RATE
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.deepgram.recorded import OPENING, RecordedDialect
from protocol.events import CallEnded, Entry
from protocol.events.event_codec import decode_entry

from .job_spec import JobSpec

_PAGE = 500


async def replayed(redis: Redis, keys: CallKeys, spec: JobSpec) -> LiveResults | None:
    """
    Return the results of a job whose call has ended; None if it has not, or if its log is gone.

    They are not complete if the call ended because of a loss.
    """
    last: Any = await redis.xrevrange(keys.log, count=1)
    ended = _entry(*last[0]) if last else None
    if ended is None or not isinstance(ended.event, CallEnded):
        return None
    results = LiveResults()
    if ended.event.reason != "completed":
        return results
    dialect = RecordedDialect(spec.live(CALL_RATE, max(1, len(ended.event.channels))))
    dialect.receive(OPENING)
    dialect.opened(spec.call_id)
    first = "-"
    while page := await _page(redis, keys, first):
        for entry in page:
            dialect.notify(entry)
        first = f"({page[-1].seq}-0"
    for message in dialect.outbox():
        results.apply(message)
    return results


async def _page(redis: Redis, keys: CallKeys, first: str) -> list[Entry]:
    found: Any = await redis.xrange(keys.log, first, count=_PAGE)
    return [entry for one in found if (entry := _entry(*one)) is not None]


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry | None:
    read = decode_entry(int(entry_id.split(b"-")[0]), fields[b"e"])
    return read if isinstance(read, Entry) else None
