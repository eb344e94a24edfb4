"""Reads the state of a call from Redis, for a gateway that continues it."""

from typing import Any

from redis.asyncio import Redis

from broker.event_log.log_positions import entry_from
from broker.redis_keys import CallKeys
from protocol.clock import from_rate
from protocol.events import (
    Entry,
    Final,
    LogEntry,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
)
from protocol.events.event_codec import decode_entry
from protocol.scheduling.jobs import Job, JobError, decode_job

from ..call.checkpoint import Checkpoint
from ..call.recovery import UnsettledSegment, unended


async def read_log(
    redis: Redis, keys: CallKeys, checkpoint: Checkpoint
) -> tuple[tuple[LogEntry, ...], tuple[UnsettledSegment, ...]]:
    """Return the event log, and the segments in it that have no terminal event."""
    page: Any = await redis.xrange(keys.log)
    entries = tuple(map(entry_from, page))
    unsettled = [
        await _unsettled_segment(redis, keys, segment, start, checkpoint.rate_of(segment))
        for segment, start in unended(entries).items()
    ]
    return entries, tuple(unsettled)


async def _unsettled_segment(
    redis: Redis, keys: CallKeys, segment: SegmentId, start: int, rate: int
) -> UnsettledSegment:
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hget(keys.settled, str(segment))
        pipe.get(keys.audio(segment))
        pipe.hget(keys.state(segment), "queued")
        terminal, audio, queued = await pipe.execute()
    if terminal:
        return UnsettledSegment(
            segment, _span_of(decode_entry(None, terminal), start), settled=True
        )
    job = _job_of(queued or b"")
    rate = job.rate if job else rate
    end = (job and job.end) or start + from_rate(len(audio or b"") // 2, rate)
    return UnsettledSegment(segment, Span(start, end), audio or b"", rate, queued or b"")


def _span_of(entry: LogEntry, start: int) -> Span:
    match entry:
        case Entry(Final(span=span) | SegmentFailed(span=span) | SegmentDropped(span=span)):
            return span
        case _:
            return Span(start, start)


def _job_of(payload: bytes) -> Job | None:
    try:
        return decode_job(payload) if payload else None
    except JobError:  # a job of another version: the length of the stored audio is used
        return None
