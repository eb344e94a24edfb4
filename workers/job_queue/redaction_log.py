"""What the redaction of a call needs of its event log: the state, an earlier final, and its replacement."""

from typing import Any

from redis.asyncio import Redis

from broker.redis_scripts.scripts import REVISE
from protocol.events import Entry, Final, SegmentId, SegmentRevised
from protocol.events.event_codec import decode_entry, encode_event

from .claimed import ClaimedJob

_STATE = "redaction"
_RECENT = 1_024
"""Newest entries of a log among which the final of a recent segment is."""


class RedactionLog:
    """Reads and revises finals for redaction.  Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._revise = redis.register_script(REVISE.source)

    async def state(self, one: ClaimedJob) -> bytes:
        """The state of redaction of the job's call; empty at its start."""
        state: Any = await self._redis.hget(one.keys.meta, _STATE)
        return state or b""

    async def final(self, one: ClaimedJob, segment: SegmentId) -> bytes:
        """The final of a recent segment of the job's call; empty if there is none."""
        waiting: Any = await self._redis.hget(one.keys.settled, str(segment))
        if waiting:
            return bytes(waiting)
        recent: Any = await self._redis.xrevrange(one.keys.log, count=_RECENT)
        return next(
            (fields[b"e"] for _, fields in recent if _is_final_of(segment, fields[b"e"])), b""
        )

    async def revise(self, one: ClaimedJob, old: bytes, new: Final) -> bool:
        """Replace the final `old` by `new`, which shows less.  Returns False if `old` is not there any more."""
        job, keys = one.job, one.keys
        answer = await self._revise(
            keys=[keys.meta, keys.log, keys.settled, keys.partition.outbox],
            args=[
                job.log,
                job.call_id,
                keys.live,
                str(new.segment),
                old,
                encode_event(new),
                encode_event(SegmentRevised(new)),
            ],
        )
        return int(answer) == 1


def _is_final_of(segment: SegmentId, payload: bytes) -> bool:
    match decode_entry(None, payload):
        case Entry(Final(segment=found)):
            return found == segment
        case _:
            return False
