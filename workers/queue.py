"""
The worker's way to Redis: claim, fetch audio, settle.

Finals are claimed by lease: this consumer's own pending entries first (at start and after every lost
connection), then new ones, then those that another worker has handed back, then, one at a time, those whose lease
has run out elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from protocol.capacity import FRESH_SECONDS, WorkerCapacity, encode_capacity, is_stale
from protocol.jobs import Job, JobError, decode_job
from protocol.keys import WORKERS, CallKeys, Partition
from protocol.leases import EXTEND, HAND_BACK, HANDED_BACK_MS, JOIN, LOOK, TAKE_OVER
from protocol.scripts import SETTLE, SUGGEST, TRY

from .engine import Effort

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
    """Id in the lane; unique together with effort and partition."""

    partition: Partition
    effort: Effort
    job: Job
    deliveries: int = 1

    @property
    def keys(self) -> CallKeys:
        """The keys of the job's call."""
        return CallKeys(self.partition, self.job.call_id)

    @property
    def key(self) -> str:
        """Names the job among all that the worker holds."""
        return f"{self.partition.number}:{self.effort}:{self.entry}"


class WorkQueue:
    """The lanes of some partitions, for one consumer."""

    def __init__(self, redis: Redis, partitions: Sequence[Partition], consumer: str) -> None:
        self._redis = redis
        self._partitions = tuple(partitions)
        self._consumer = consumer
        self._settle = redis.register_script(SETTLE.source)
        self._extend = redis.register_script(EXTEND.source)
        self._hand_back = redis.register_script(HAND_BACK.source)
        self._take_over = redis.register_script(TAKE_OVER.source)
        self._join = redis.register_script(JOIN.source)
        self._try = redis.register_script(TRY.source)
        self._look = redis.register_script(LOOK.source)
        self._suggest = redis.register_script(SUGGEST.source)
        self.unreadable = 0
        """Jobs that were not ours to understand, since the start."""

    async def prepare(self) -> None:
        """Make the groups, where they are not there."""
        for partition in self._partitions:
            for lane in (partition.finals, partition.partials):
                await self._join(keys=[lane], args=[WORKERS])

    async def reclaim_own(self, partition: Partition) -> list[Claimed]:
        """Finals that were delivered to this consumer and never settled."""
        reply = await self._redis.xreadgroup(
            WORKERS, self._consumer, {partition.finals: "0"}, count=64
        )
        return self._claimed(partition, reply)

    async def claim(self, partition: Partition, room: int, wait_ms: int) -> list[Claimed]:
        """Up to `room` new jobs of each lane; waits for the first at most `wait_ms`."""
        lanes: dict[Any, Any] = {partition.finals: ">", partition.partials: ">"}
        reply = await self._redis.xreadgroup(
            WORKERS, self._consumer, lanes, count=room, block=wait_ms
        )
        return self._claimed(partition, reply)

    async def take_over(self, partition: Partition, lease_ms: int, room: int = 1) -> list[Claimed]:
        """
        Up to `room` finals that were handed back, and at most one whose worker has gone silent.

        One at a time, because it may be what killed that worker: its neighbours shall not be tried with it.
        """
        taken = await self._take_over(
            keys=[partition.finals],
            args=[WORKERS, self._consumer, HANDED_BACK_MS, room, lease_ms, 1],
        )
        return [
            one
            for entry, deliveries, (_, payload) in taken
            for one in self._read(partition, Effort.FINAL, entry.decode(), payload, deliveries)
        ]

    async def hand_back(self, claimed: Iterable[Claimed], *, tried: bool = False) -> None:
        """
        End the leases of these finals, so that another worker takes them at once; partials are dropped.

        Unless they were `tried`, it is as if they had never been delivered.
        """
        claimed = tuple(claimed)
        for partition, entries in _finals_of(claimed):
            await self._hand_back(
                keys=[partition.finals],
                args=[WORKERS, self._consumer, HANDED_BACK_MS, int(tried), *entries],
            )
        await self.look([one for one in claimed if one.effort is Effort.PARTIAL])

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

    async def look(self, partials: Sequence[Claimed]) -> list[tuple[int, bytes]]:
        """Take partials off their lane: the revision that each will have, and the hypothesis before it."""
        if not partials:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in partials:
                await self._look(
                    keys=[one.partition.partials, one.keys.state(one.job.segment)],
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
            keys=keys.settling(segment),
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
        for partition, entries in _finals_of(claimed):
            await self._extend(keys=[partition.finals], args=[WORKERS, self._consumer, *entries])

    async def tell_capacity(self, told: WorkerCapacity) -> None:
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
        for lane, entries in reply or ():
            effort = Effort.FINAL if lane.decode() == partition.finals else Effort.PARTIAL
            for entry, fields in entries:
                if fields:  # None: deleted while it was pending
                    claimed += self._read(partition, effort, entry.decode(), fields[b"j"])
        return claimed

    def _read(
        self,
        partition: Partition,
        effort: Effort,
        entry: str,
        payload: bytes,
        deliveries: int = 1,
    ) -> list[Claimed]:
        """A job of another version stays where it is, for the worker that knows it."""
        try:
            return [Claimed(entry, partition, effort, decode_job(payload), deliveries)]
        except JobError:
            self.unreadable += 1
            return []


def _finals_of(claimed: Iterable[Claimed]) -> Iterator[tuple[Partition, list[str]]]:
    """The entries of the finals, by partition."""
    by_partition: dict[Partition, list[str]] = {}
    for one in claimed:
        if one.effort is Effort.FINAL:
            by_partition.setdefault(one.partition, []).append(one.entry)
    yield from by_partition.items()
