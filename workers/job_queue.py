"""
The job queue in Redis, as a worker uses it: claim jobs, fetch their audio, settle results.

Finals are claimed by lease, in this order: this consumer's own pending entries (at start and after every lost
connection), new entries, entries that another worker has handed back, and, one at a time, entries whose lease with
another worker has expired.

There is one job stream for each language pair (see broker/redis_keys.py).  A worker reads only the streams of tasks
that its engine can do, and the streams without a task.  Jobs there that it cannot do are moved to the stream of
their task.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.leases import (
    EXTEND,
    HAND_BACK,
    HANDED_BACK_MS,
    JOIN,
    PASS_ON,
    POLL,
    REGISTER_STREAMS,
    TAKE_OVER,
)
from broker.queries import server_time
from broker.redis_keys import WORKERS, CallKeys, Partition
from broker.scripts import REVISE, SETTLE, SUGGEST, TRY
from protocol.event_codec import decode_entry, encode_event
from protocol.events import Entry, Final, SegmentId, SegmentRevised
from protocol.jobs import Job, JobError, decode_job, stream_suffix, task_of
from protocol.worker_capacity import FRESH_SECONDS, Task, WorkerCapacity, encode_capacity, is_stale

from .audio_cache import AudioCache
from .engines.base import Effort

_STATE_TTL = 900
"""Seconds that the state of a segment is kept after its last partial."""


_RECENT = 1_024
"""Newest entries of a log among which the final of a recent segment is."""


class UnseenLogError(RedisError):
    """
    This Redis server lacks the call's event log, and the call's gateway has not restored it yet.

    Try again later, as after any Redis error.
    """


class Outcome(StrEnum):
    """The outcome of committing a result."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    """The segment had its terminal event already."""

    STALE = "stale"
    """The call has another event log now; its gateway queues the segment again."""

    MOVED = "moved"
    """Another segment of the call was committed since the state of redaction was read: redact again."""

    LOST = "lost"
    """Another worker holds the lease now."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed job.  Settle a final, `poll` a partial; otherwise the lease expires."""

    entry: str
    """Id of the entry in its stream."""

    partition: Partition
    effort: Effort
    job: Job
    deliveries: int = 1
    job_stream: str | None = None
    """Suffix of the job stream (its task, for example `de-en`); None for the stream that all workers read."""

    recorded: bool = False
    """Whether the job belongs to a recording, not to a live call."""

    @property
    def stream(self) -> str:
        """Redis key of the stream that holds the entry."""
        if self.effort is Effort.PARTIAL:
            return self.partition.partials_in(self.job_stream)
        if self.recorded:
            return self.partition.recordings_in(self.job_stream)
        return self.partition.finals_in(self.job_stream)

    @property
    def keys(self) -> CallKeys:
        """The Redis keys of the job's call."""
        return CallKeys(self.partition, self.job.call_id)

    @property
    def key(self) -> str:
        """Identifies the job among all jobs of the worker."""
        return f"{self.stream}:{self.entry}"


class WorkQueue:
    """
    The job streams of some partitions, for one consumer.

    Methods that talk to Redis raise RedisError or OSError if it does not answer.
    """

    def __init__(self, redis: Redis, partitions: Sequence[Partition], consumer: str) -> None:
        self._redis = redis
        self._partitions = tuple(partitions)
        self._consumer = consumer
        self._audio_cache = AudioCache()
        self._tasks: frozenset[Task] | None = None
        self._job_streams: dict[Partition, tuple[str, ...]] = {}
        self._looked: set[Partition] = set()
        """Partitions whose job streams were looked up since `prepare`."""

        self._register_streams = redis.register_script(REGISTER_STREAMS.source)
        self._pass_on = redis.register_script(PASS_ON.source)
        self._settle = redis.register_script(SETTLE.source)
        self._extend = redis.register_script(EXTEND.source)
        self._hand_back = redis.register_script(HAND_BACK.source)
        self._take_over = redis.register_script(TAKE_OVER.source)
        self._join = redis.register_script(JOIN.source)
        self._try = redis.register_script(TRY.source)
        self._poll = redis.register_script(POLL.source)
        self._suggest = redis.register_script(SUGGEST.source)
        self._revise = redis.register_script(REVISE.source)
        self.unreadable = 0
        """Number of jobs since the start that this version could not decode."""

    def serve(self, tasks: frozenset[Task]) -> None:
        """Claim only jobs of `tasks`.  Without this call, jobs of all tasks are claimed."""
        self._tasks = tasks

    async def prepare(self) -> None:
        """Create the consumer groups that do not exist yet."""
        for partition in self._partitions:
            await self._make_groups(partition, None)
            self._job_streams[partition] = ()
            await self._find_streams(partition)
            self._looked.discard(partition)

    async def reclaim_own(self, partition: Partition) -> list[Claimed]:
        """Finals that were delivered to this consumer before and never settled."""
        job_streams = [None, *self._job_streams.get(partition, ())]
        streams: dict[Any, Any] = {
            partition.finals_in(job_stream): "0" for job_stream in job_streams
        }
        streams |= {partition.recordings_in(job_stream): "0" for job_stream in job_streams}
        reply = await self._redis.xreadgroup(WORKERS, self._consumer, streams, count=64)
        return await self._ours(self._claimed(partition, reply))

    async def claim(self, partition: Partition, room: int, wait_ms: int) -> list[Claimed]:
        """Claim about `room` new finals of all job streams, and partials; wait at most `wait_ms` for the first."""
        named = await self._find_streams(partition)
        job_streams = [None, *named]
        streams: dict[Any, Any] = {
            partition.finals_in(job_stream): ">" for job_stream in job_streams
        }
        streams |= {partition.partials_in(job_stream): ">" for job_stream in job_streams}
        share = max(1, room // max(1, len(named)))
        reply = await self._redis.xreadgroup(
            WORKERS, self._consumer, streams, count=share, block=wait_ms
        )
        return await self._ours(self._claimed(partition, reply))

    async def claim_recorded(self, partition: Partition, lease_ms: int) -> list[Claimed]:
        """
        Claim at most one segment of a recording, without waiting: a live final may come at any moment.

        Called when the engine has nothing else to do.  Looks into the job streams that the last `claim` found.
        """
        job_streams = await self._streams_of(partition)
        for job_stream in job_streams:
            streams: dict[Any, Any] = {partition.recordings_in(job_stream): ">"}
            reply = await self._redis.xreadgroup(WORKERS, self._consumer, streams, count=1)
            if claimed := await self._ours(self._claimed(partition, reply)):
                return claimed
        for job_stream in job_streams:
            if claimed := await self._take_over_recorded(partition, job_stream, lease_ms):
                return claimed
        return []

    async def take_over(self, partition: Partition, lease_ms: int, room: int = 1) -> list[Claimed]:
        """
        Claim about `room` finals that were handed back, and of each job stream at most one with an expired lease.

        Only one at a time, because it may have killed its worker: no other job shall be tried together with it.
        Looks into the job streams that the last `claim` found.
        """
        job_streams = await self._streams_of(partition)
        share = max(1, room // max(1, len(job_streams) - 1))
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_stream in job_streams:
                await self._take_over(
                    keys=[partition.finals_in(job_stream)],
                    args=self._expired(share + 1, share, lease_ms),
                    client=pipe,
                )
            answers = await pipe.execute()
        taken = [
            one
            for job_stream, answer in zip(job_streams, answers, strict=True)
            for one in self._taken(partition, job_stream, answer)
        ]
        return await self._ours(taken)

    async def _take_over_recorded(
        self, partition: Partition, job_stream: str | None, lease_ms: int
    ) -> list[Claimed]:
        """At most one segment of one job stream that was handed back or whose lease has expired."""
        answer = await self._take_over(
            keys=[partition.recordings_in(job_stream)], args=self._expired(1, 1, lease_ms)
        )
        taken = self._taken(partition, job_stream, answer)
        return await self._ours([replace(one, recorded=True) for one in taken])

    def _expired(self, most: int, handed_back: int, lease_ms: int) -> list[str | int]:
        """Arguments of TAKE_OVER: `handed_back` jobs that were handed back, then one with an expired lease."""
        return [WORKERS, self._consumer, most, HANDED_BACK_MS, handed_back, lease_ms, 1]

    def _taken(self, partition: Partition, job_stream: str | None, answer: Any) -> list[Claimed]:  # noqa: ANN401
        """Decode the jobs in an answer of TAKE_OVER."""
        return [
            one
            for entry, deliveries, (_, payload) in answer
            for one in self._read(
                partition, Effort.FINAL, job_stream, entry.decode(), payload, deliveries
            )
        ]

    async def hand_back(self, claimed: Iterable[Claimed], *, tried: bool = False) -> None:
        """
        End the leases of these finals, so that another worker can claim them at once; partials are dropped.

        Unless `tried` is set, the delivery is not counted.
        """
        claimed = tuple(claimed)
        for stream, entries in _finals_of(claimed):
            await self._hand_back(
                keys=[stream],
                args=[WORKERS, self._consumer, HANDED_BACK_MS, int(tried), *entries],
            )
        await self.poll([one for one in claimed if one.effort is Effort.PARTIAL])

    async def audio(self, claimed: Sequence[Claimed]) -> list[bytes]:
        """The stored audio of each job: 16-bit little-endian PCM at 16 kHz; empty when it has expired."""
        offsets = [self._audio_cache.offset(one.job) for one in claimed]
        fetched = await self._fetch(claimed, offsets)
        found = [
            self._audio_cache.join(one.job, offset, audio)
            for one, offset, audio in zip(claimed, offsets, fetched, strict=True)
        ]
        if lacking := [one for one, audio in zip(claimed, found, strict=True) if audio is None]:
            whole = iter(await self._fetch(lacking, [0] * len(lacking)))
            found = [next(whole) if audio is None else audio for audio in found]
        return [audio or b"" for audio in found]

    async def _fetch(self, claimed: Sequence[Claimed], offsets: Sequence[int]) -> list[bytes]:
        """The stored audio of each job from a byte on; empty when there is none."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one, offset in zip(claimed, offsets, strict=True):
                pipe.getrange(one.keys.audio(one.job.segment), offset, -1)
            return await pipe.execute()

    async def begin(self, finals: Sequence[Claimed]) -> list[int]:
        """Count one more try by an engine for each final.  Returns the number of tries of each."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in finals:
                await self._try(
                    keys=[one.keys.state(one.job.segment)], args=[_STATE_TTL], client=pipe
                )
            return [int(tries) for tries in await pipe.execute()]

    async def poll(self, partials: Sequence[Claimed]) -> list[tuple[int, bytes]]:
        """Remove partials from their job stream.  Returns for each its revision and the previous hypothesis."""
        if not partials:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in partials:
                await self._poll(
                    keys=[one.stream, one.keys.state(one.job.segment)],
                    args=[WORKERS, one.entry, _STATE_TTL],
                    client=pipe,
                )
            return [(int(revision), before) for revision, before in await pipe.execute()]

    async def suggest(self, one: Claimed, revision: int, hypothesis: bytes, event: bytes) -> bool:
        """Publish a partial.  Returns False if it comes too late and was not published."""
        job, keys = one.job, one.keys
        answer = await self._suggest(
            keys=[keys.meta, keys.settled, keys.state(job.segment)],
            args=[job.log, str(job.segment), revision, hypothesis, keys.live, event],
        )
        return int(answer) == 1

    async def redaction_state(self, one: Claimed) -> bytes:
        """The state of redaction of the job's call; empty at its start."""
        state: Any = await self._redis.hget(one.keys.meta, "redaction")
        return state or b""

    async def logged_final(self, one: Claimed, segment: SegmentId) -> bytes:
        """The final of a recent segment of the job's call; empty if there is none."""
        waiting: Any = await self._redis.hget(one.keys.settled, str(segment))
        if waiting:
            return bytes(waiting)
        recent: Any = await self._redis.xrevrange(one.keys.log, count=_RECENT)
        return next(
            (fields[b"e"] for _, fields in recent if _is_final_of(segment, fields[b"e"])), b""
        )

    async def revise(self, one: Claimed, old: bytes, final: Final) -> bool:
        """Replace the final `old` by `final`, which shows less.  Returns False if `old` is not there any more."""
        job, keys = one.job, one.keys
        answer = await self._revise(
            keys=[keys.meta, keys.log, keys.settled, keys.partition.outbox],
            args=[
                job.log,
                job.call_id,
                keys.live,
                str(final.segment),
                old,
                encode_event(final),
                encode_event(SegmentRevised(final)),
            ],
        )
        return int(answer) == 1

    async def settle(
        self, one: Claimed, event: bytes, dead: str = "", states: tuple[bytes, bytes] | None = None
    ) -> Outcome:
        """
        Commit the terminal event of a final; `dead` is the reason if the final was given up.

        `states`: the state of redaction that the event was made with, and the one after it.

        Raises UnseenLogError when the caller must try again later.
        """
        job, keys = one.job, one.keys
        segment = job.segment
        answer = await self._settle(
            keys=keys.settling(segment, one.stream),
            args=[
                WORKERS,
                one.entry,
                self._consumer,
                job.log,
                job.call_id,
                keys.live,
                segment.channel,
                segment.number,
                event,
                dead,
                *(states or ()),
            ],
        )
        if answer == b"unseen":
            raise UnseenLogError
        return Outcome(answer.decode())

    async def extend(self, claimed: Iterable[Claimed]) -> None:
        """Renew the leases of these finals."""
        for stream, entries in _finals_of(claimed):
            await self._extend(keys=[stream], args=[WORKERS, self._consumer, *entries])

    async def now(self) -> float:
        """Seconds since 1970 by the clock of Redis, which all workers and gateways share."""
        return await server_time(self._redis)

    async def report_capacity(self, report: WorkerCapacity) -> None:
        """
        Publish this worker's capacity for the gateways, and delete the reports of workers that have ended.

        `report.at` must come from `now`: by the clock of one machine, the reports of others would seem to be old.
        """
        for partition in self._partitions:
            async with self._redis.pipeline() as pipe:
                pipe.hset(partition.workers, self._consumer, encode_capacity(report))
                pipe.expire(partition.workers, round(FRESH_SECONDS))
                pipe.hgetall(partition.workers)
                *_, reports = await pipe.execute()
            if gone := [worker for worker, one in reports.items() if is_stale(one, report.at)]:
                await self._redis.hdel(partition.workers, *gone)

    async def forget_capacity(self) -> None:
        """Delete this worker's capacity report: the worker ends."""
        for partition in self._partitions:
            await self._redis.hdel(partition.workers, self._consumer)

    def _claimed(self, partition: Partition, reply: Any) -> list[Claimed]:  # noqa: ANN401  # as redis-py leaves it
        """Decode the jobs in a reply to XREADGROUP (RESP2, to which the clients are pinned)."""
        claimed = []
        for stream, entries in reply or ():
            kind, _, job_stream = stream.decode().removeprefix(f"{partition.tag}:").partition(":")
            effort = Effort.PARTIAL if kind == "partials" else Effort.FINAL
            for entry, fields in entries:
                if fields:  # None: deleted while it was pending
                    read = self._read(
                        partition, effort, job_stream or None, entry.decode(), fields[b"j"]
                    )
                    claimed += [replace(one, recorded=kind == "recordings") for one in read]
        return claimed

    async def _find_streams(self, partition: Partition) -> tuple[str, ...]:
        """The existing job streams of our tasks; creates their consumer groups."""
        names: Any = await self._redis.smembers(partition.job_streams)
        job_streams = tuple(sorted(name.decode() for name in names if self._serves(name.decode())))
        for job_stream in job_streams:
            if job_stream not in self._job_streams.get(partition, ()):
                await self._make_groups(partition, job_stream)
        self._job_streams[partition] = job_streams
        self._looked.add(partition)
        return job_streams

    async def _streams_of(self, partition: Partition) -> list[str | None]:
        """The job streams of our tasks as the last `claim` found them, and the one of all workers."""
        if partition not in self._looked:
            await self._find_streams(partition)
        return [None, *self._job_streams[partition]]

    def _serves(self, job_stream: str) -> bool:
        """Whether this worker claims from a job stream."""
        task = task_of(job_stream)
        return task is not None and (self._tasks is None or task in self._tasks)

    async def _make_groups(self, partition: Partition, job_stream: str | None) -> None:
        for stream_of in (partition.finals_in, partition.partials_in, partition.recordings_in):
            await self._join(keys=[stream_of(job_stream)], args=[WORKERS])

    async def _ours(self, claimed: list[Claimed]) -> list[Claimed]:
        """
        Keep the jobs of our tasks.  Move other finals to the job stream of their task; drop other partials.

        A dropped partial is requested again.  A job without a valid language is kept: the engine reports the error.
        """
        foreign = [one for one in claimed if not self._can(one)]
        if not foreign:
            return claimed
        await self.poll([one for one in foreign if one.effort is Effort.PARTIAL])
        for one in foreign:
            job_stream = stream_suffix(one.job.task)
            if one.effort is Effort.FINAL and job_stream:
                await self._register_streams(keys=[one.partition.job_streams], args=[job_stream])
                await self._pass_on(
                    keys=[one.stream, replace(one, job_stream=job_stream).stream],
                    args=[WORKERS, self._consumer, one.entry],
                )
        return [one for one in claimed if one not in foreign]

    def _can(self, one: Claimed) -> bool:
        job_stream = stream_suffix(one.job.task)
        return job_stream is None or job_stream == one.job_stream or self._serves(job_stream)

    def _read(
        self,
        partition: Partition,
        effort: Effort,
        job_stream: str | None,
        entry: str,
        payload: bytes,
        deliveries: int = 1,
    ) -> list[Claimed]:
        """Decode a job.  A job of an unknown version stays in the stream, for a worker that can read it."""
        try:
            return [Claimed(entry, partition, effort, decode_job(payload), deliveries, job_stream)]
        except JobError:
            self.unreadable += 1
            return []


def _is_final_of(segment: SegmentId, payload: bytes) -> bool:
    match decode_entry(None, payload):
        case Entry(Final(segment=found)):
            return found == segment
        case _:
            return False


def _finals_of(claimed: Iterable[Claimed]) -> Iterator[tuple[str, list[str]]]:
    """The entries of the finals, by stream."""
    by_stream: dict[str, list[str]] = {}
    for one in claimed:
        if one.effort is Effort.FINAL:
            by_stream.setdefault(one.stream, []).append(one.entry)
    yield from by_stream.items()
