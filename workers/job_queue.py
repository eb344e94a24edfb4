"""
The worker's way to Redis: claim, fetch audio, settle.

Finals are claimed by lease: this consumer's own pending entries first (at start and after every lost
connection), then new ones, then those that another worker has handed back, then, one at a time, those whose lease
has run out elsewhere.

There is one job stream for each language pair (see broker/redis_keys.py).  A worker reads only the streams of tasks
that its engine can do, and the streams without a task.  Jobs there that it cannot do are
moved to the stream of their task.
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
from broker.redis_keys import WORKERS, CallKeys, Partition
from broker.scripts import SETTLE, SUGGEST, TRY
from protocol.jobs import Job, JobError, decode_job, stream_suffix, task_of
from protocol.worker_capacity import FRESH_SECONDS, Task, WorkerCapacity, encode_capacity, is_stale

from .engines.base import Effort

_STATE_TTL = 900
"""Seconds that the state of a segment outlives the last partial."""


class UnseenLogError(RedisError):
    """The call's gateway has yet to tell this server what it lacks of the log: as if there were no Redis yet."""


class Outcome(StrEnum):
    """What became of a result."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    """The segment had its terminal event already."""

    STALE = "stale"
    """The call has another log now; its gateway queues the segment again."""

    LOST = "lost"
    """The lease has gone to another worker."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job in hand.  It must be settled (final) or looked at (partial), or its lease runs out."""

    entry: str
    """Id in the stream."""

    partition: Partition
    effort: Effort
    job: Job
    deliveries: int = 1
    job_stream: str | None = None
    """What the lane needs of a worker; None for the lane that all read."""

    recorded: bool = False
    """It is of a recording."""

    @property
    def stream(self) -> str:
        """Where the entry lies."""
        if self.effort is Effort.PARTIAL:
            return self.partition.partials_in(self.job_stream)
        if self.recorded:
            return self.partition.recordings_in(self.job_stream)
        return self.partition.finals_in(self.job_stream)

    @property
    def keys(self) -> CallKeys:
        """The keys of the job's call."""
        return CallKeys(self.partition, self.job.call_id)

    @property
    def key(self) -> str:
        """Names the job among all that the worker holds."""
        return f"{self.stream}:{self.entry}"


class WorkQueue:
    """The lanes of some partitions, for one consumer."""

    def __init__(self, redis: Redis, partitions: Sequence[Partition], consumer: str) -> None:
        self._redis = redis
        self._partitions = tuple(partitions)
        self._consumer = consumer
        self._tasks: frozenset[Task] | None = None
        self._job_streams: dict[Partition, tuple[str, ...]] = {}
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
        self.unreadable = 0
        """Jobs that were not ours to understand, since the start."""

    def serve(self, tasks: frozenset[Task]) -> None:
        """Claim only what needs one of `tasks`; without this everything is claimed."""
        self._tasks = tasks

    async def prepare(self) -> None:
        """Make the groups, where they are not there."""
        for partition in self._partitions:
            await self._make_groups(partition, None)
            self._job_streams[partition] = ()
            await self._find_streams(partition)

    async def reclaim_own(self, partition: Partition) -> list[Claimed]:
        """Finals that were delivered to this consumer and never settled."""
        job_streams = [None, *self._job_streams.get(partition, ())]
        streams: dict[Any, Any] = {
            partition.finals_in(job_stream): "0" for job_stream in job_streams
        }
        streams |= {partition.recordings_in(job_stream): "0" for job_stream in job_streams}
        reply = await self._redis.xreadgroup(WORKERS, self._consumer, streams, count=64)
        return await self._ours(self._claimed(partition, reply))

    async def claim(self, partition: Partition, room: int, wait_ms: int) -> list[Claimed]:
        """About `room` new finals of all lanes, and partials; waits for the first at most `wait_ms`."""
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
        """One segment of a recording, for an engine that has nothing else to do; without waiting for any."""
        job_streams = [None, *await self._find_streams(partition)]
        for job_stream in job_streams:
            streams: dict[Any, Any] = {partition.recordings_in(job_stream): ">"}
            reply = await self._redis.xreadgroup(WORKERS, self._consumer, streams, count=1)
            if claimed := await self._ours(self._claimed(partition, reply)):
                return claimed
        return await self._take_over_of(partition, job_streams, 1, lease_ms, recorded=True)

    async def take_over(self, partition: Partition, lease_ms: int, room: int = 1) -> list[Claimed]:
        """
        About `room` finals that were handed back, and of each lane at most one whose worker has gone silent.

        One at a time, because it may be what killed that worker: its neighbours shall not be tried with it.
        """
        named = await self._find_streams(partition)
        return await self._take_over_of(partition, [None, *named], room, lease_ms, recorded=False)

    async def _take_over_of(
        self,
        partition: Partition,
        job_streams: Sequence[str | None],
        room: int,
        lease_ms: int,
        *,
        recorded: bool,
    ) -> list[Claimed]:
        share = max(1, room // max(1, len(job_streams) - 1))
        stream_of = partition.recordings_in if recorded else partition.finals_in
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_stream in job_streams:
                await self._take_over(
                    keys=[stream_of(job_stream)],
                    args=[WORKERS, self._consumer, HANDED_BACK_MS, share, lease_ms, 1],
                    client=pipe,
                )
            answers = await pipe.execute()
        taken = [
            replace(one, recorded=recorded)
            for job_stream, answer in zip(job_streams, answers, strict=True)
            for entry, deliveries, (_, payload) in answer
            for one in self._read(
                partition, Effort.FINAL, job_stream, entry.decode(), payload, deliveries
            )
        ]
        return await self._ours(taken)

    async def hand_back(self, claimed: Iterable[Claimed], *, tried: bool = False) -> None:
        """
        End the leases of these finals, so that another worker takes them at once; partials are dropped.

        Unless they were `tried`, it is as if they had never been delivered.
        """
        claimed = tuple(claimed)
        for stream, entries in _finals_of(claimed):
            await self._hand_back(
                keys=[stream],
                args=[WORKERS, self._consumer, HANDED_BACK_MS, int(tried), *entries],
            )
        await self.poll([one for one in claimed if one.effort is Effort.PARTIAL])

    async def audio(self, claimed: Sequence[Claimed]) -> list[bytes]:
        """The audio of each as it is now: 16-bit PCM at the engine's rate; empty when it is gone."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in claimed:
                pipe.get(one.keys.audio(one.job.segment))
            return [audio or b"" for audio in await pipe.execute()]

    async def begin(self, finals: Sequence[Claimed]) -> list[int]:
        """How often each has been given to an engine, this time counted."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in finals:
                await self._try(
                    keys=[one.keys.state(one.job.segment)], args=[_STATE_TTL], client=pipe
                )
            return [int(tries) for tries in await pipe.execute()]

    async def poll(self, partials: Sequence[Claimed]) -> list[tuple[int, bytes]]:
        """Take partials off their lane: the revision that each will have, and the hypothesis before it."""
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
        """Publish a partial, unless it comes too late."""
        job, keys = one.job, one.keys
        answer = await self._suggest(
            keys=[keys.meta, keys.settled, keys.state(job.segment)],
            args=[job.log, str(job.segment), revision, hypothesis, keys.live, event],
        )
        return int(answer) == 1

    async def settle(self, one: Claimed, event: bytes, dead: str = "") -> Outcome:
        """
        Record the terminal event of a final; `dead` is the reason when it was given up.

        UnseenLogError when that is for later.
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
            ],
        )
        if answer == b"unseen":
            raise UnseenLogError
        return Outcome(answer.decode())

    async def extend(self, claimed: Iterable[Claimed]) -> None:
        """Start the leases of these finals anew."""
        for stream, entries in _finals_of(claimed):
            await self._extend(keys=[stream], args=[WORKERS, self._consumer, *entries])

    async def report_capacity(self, told: WorkerCapacity) -> None:
        """Let those who admit calls know what this worker gets done; words of workers that are gone go too."""
        for partition in self._partitions:
            async with self._redis.pipeline() as pipe:
                pipe.hset(partition.workers, self._consumer, encode_capacity(told))
                pipe.expire(partition.workers, round(FRESH_SECONDS))
                pipe.hgetall(partition.workers)
                *_, everybody = await pipe.execute()
            if gone := [who for who, word in everybody.items() if is_stale(word, told.at)]:
                await self._redis.hdel(partition.workers, *gone)

    async def forget_capacity(self) -> None:
        """This worker does nothing any more."""
        for partition in self._partitions:
            await self._redis.hdel(partition.workers, self._consumer)

    def _claimed(self, partition: Partition, reply: Any) -> list[Claimed]:  # noqa: ANN401  # as redis-py leaves it
        """Jobs of a reply to XREADGROUP (RESP2, to which the clients are pinned)."""
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
        """The lanes there are whose jobs we can do; their groups are made."""
        names: Any = await self._redis.smembers(partition.job_streams)
        job_streams = tuple(sorted(name.decode() for name in names if self._serves(name.decode())))
        for job_stream in job_streams:
            if job_stream not in self._job_streams.get(partition, ()):
                await self._make_groups(partition, job_stream)
        self._job_streams[partition] = job_streams
        return job_streams

    def _serves(self, job_stream: str) -> bool:
        """Whether jobs of a lane are for us."""
        task = task_of(job_stream)
        return task is not None and (self._tasks is None or task in self._tasks)

    async def _make_groups(self, partition: Partition, job_stream: str | None) -> None:
        for stream_of in (partition.finals_in, partition.partials_in, partition.recordings_in):
            await self._join(keys=[stream_of(job_stream)], args=[WORKERS])

    async def _ours(self, claimed: list[Claimed]) -> list[Claimed]:
        """
        What we can do.  The rest is passed on to its lane, or dropped if it is a partial: another is asked for.

        A job of no language at all stays with us: the engine says what is wrong with it.
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
        """A job of another version stays where it is, for the worker that knows it."""
        try:
            return [Claimed(entry, partition, effort, decode_job(payload), deliveries, job_stream)]
        except JobError:
            self.unreadable += 1
            return []


def _finals_of(claimed: Iterable[Claimed]) -> Iterator[tuple[str, list[str]]]:
    """The entries of the finals, by stream."""
    by_stream: dict[str, list[str]] = {}
    for one in claimed:
        if one.effort is Effort.FINAL:
            by_stream.setdefault(one.stream, []).append(one.entry)
    yield from by_stream.items()
