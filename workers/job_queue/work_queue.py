"""
The job queue in Redis, as a worker uses it: claim jobs, fetch their audio, settle results.

Finals are claimed by lease, in this order: this consumer's own pending entries (at start and after every lost
connection), new entries, entries that another worker has handed back, and, one at a time, entries whose lease with
another worker has expired.

There is one job stream for each language pair (see broker/redis_keys.py).  A worker reads only the streams of tasks
that its engine can do, and the streams without a task.  Jobs there that it cannot do are moved to the stream of
their task.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from broker.connections.shared_pipeline import SharedPipeline
from broker.keyword_lists import KeywordLists
from broker.redis_keys import WORKERS, Partition, speakers_field
from broker.redis_scripts.leases import (
    EXTEND,
    HAND_BACK,
    HANDED_BACK_MS,
    PASS_ON,
    REGISTER_STREAMS,
    TAKE_OVER,
)
from broker.redis_scripts.scripts import KEEP_DRAFT, SETTLE, TAKE_BACK_TRY, TRY
from protocol.events import SegmentId
from protocol.scheduling.draft_doubts import DraftDoubt
from protocol.scheduling.jobs import stream_suffix
from protocol.scheduling.worker_capacity import Task

from ..engines.base import Effort
from .audio_reader import AudioReader
from .capacity_reports import CapacityReports
from .claimed import ClaimedJob, Outcome, UnseenLogError, entries_of
from .job_reader import JobReader
from .partial_log import PartialLog
from .redaction_log import RedactionLog
from .taken_partials import TakenPartials
from .task_streams import TaskStreams

_STATE_TTL = 900
"""Seconds that the state of a segment is kept after its first try."""

_NO_KEYWORDS = "keywords_missing"
"""Flag of a final without keywords, because Redis lacks the list that its job names."""


class WorkQueue:
    """
    The job streams of some partitions, for one consumer.

    Methods that talk to Redis raise RedisError or OSError if it does not answer.
    """

    def __init__(self, redis: Redis, partitions: Sequence[Partition], consumer: str) -> None:
        self._redis = redis
        self._consumer = consumer
        self._audio = AudioReader(redis)
        self._reader = JobReader()
        self._lists = KeywordLists(redis)
        self._streams = TaskStreams(redis, partitions)
        self._taken = TakenPartials(redis)
        self.partials = PartialLog(redis, {one: SharedPipeline(redis) for one in partitions})
        self.redaction = RedactionLog(redis)
        self.capacity = CapacityReports(redis, partitions, consumer)
        self._register_streams = redis.register_script(REGISTER_STREAMS.source)
        self._pass_on = redis.register_script(PASS_ON.source)
        self._settle = redis.register_script(SETTLE.source)
        self._extend = redis.register_script(EXTEND.source)
        self._hand_back = redis.register_script(HAND_BACK.source)
        self._take_over = redis.register_script(TAKE_OVER.source)
        self._try = redis.register_script(TRY.source)
        self._take_back_try = redis.register_script(TAKE_BACK_TRY.source)
        self._keep_draft = redis.register_script(KEEP_DRAFT.source)

    @property
    def unreadable(self) -> int:
        """Number of jobs since the start that this version could not decode."""
        return self._reader.unreadable

    def serve(self, tasks: frozenset[Task]) -> None:
        """Claim only jobs of `tasks`.  Without this call, jobs of all tasks are claimed."""
        self._streams.tasks = tasks

    async def prepare(self) -> None:
        """Create the consumer groups that do not exist yet."""
        await self._streams.prepare()

    async def reclaim_own(self, partition: Partition) -> list[ClaimedJob]:
        """Finals that were delivered to this consumer before and never settled."""
        job_streams = self._streams.known(partition)
        streams: dict[Any, Any] = dict.fromkeys(map(partition.finals_in, job_streams), "0")
        streams |= dict.fromkeys(map(partition.recordings_in, job_streams), "0")
        reply = await self._redis.xreadgroup(WORKERS, self._consumer, streams, count=64)
        return await self._ours(self._reader.claimed(partition, reply))

    async def claim(
        self,
        partition: Partition,
        room: int,
        wait_ms: int,
        *,
        looks: bool = True,
        partials: bool = True,
        drafts: bool = True,
    ) -> list[ClaimedJob]:
        """
        Claim about `room` new finals, and `partials` and `drafts`, of all job streams.

        Waits at most `wait_ms` for the first.

        `looks`: whether to remove taken partials and drafts and to look for new job streams first.
        """
        if looks:
            await self._taken.remove(partition)
            await self._streams.find(partition)
        _, *named = await self._streams.of(partition)
        job_streams = [None, *named]
        streams: dict[Any, Any] = dict.fromkeys(map(partition.finals_in, job_streams), ">")
        if partials:
            streams |= dict.fromkeys(map(partition.partials_in, job_streams), ">")
        if drafts:
            streams |= dict.fromkeys(map(partition.drafts_in, job_streams), ">")
        share = max(1, room // max(1, len(named)))
        reply = await self._redis.xreadgroup(
            WORKERS, self._consumer, streams, count=share, block=wait_ms
        )
        return await self._ours(self._reader.claimed(partition, reply))

    async def claim_recorded(self, partition: Partition, lease_ms: int) -> list[ClaimedJob]:
        """
        Claim at most one segment of a recording, without waiting: a live final may come at any moment.

        Called when the engine has nothing else to do.  Looks into the job streams that the last `claim` found.
        """
        job_streams = await self._streams.of(partition)
        for job_stream in job_streams:
            streams: dict[Any, Any] = {partition.recordings_in(job_stream): ">"}
            reply = await self._redis.xreadgroup(WORKERS, self._consumer, streams, count=1)
            if claimed := await self._ours(self._reader.claimed(partition, reply)):
                return claimed
        for job_stream in job_streams:
            if claimed := await self._take_over_recorded(partition, job_stream, lease_ms):
                return claimed
        return []

    async def take_over(
        self, partition: Partition, lease_ms: int, room: int = 1
    ) -> list[ClaimedJob]:
        """
        Claim about `room` finals that were handed back, and of each job stream at most one with an expired lease.

        Only one at a time, because it may have killed its worker: no other job shall be tried together with it.
        Looks into the job streams that the last `claim` found.
        """
        job_streams = await self._streams.of(partition)
        share = max(1, room // max(1, len(job_streams) - 1))
        answers = await self._take_over(
            keys=[partition.finals_in(job_stream) for job_stream in job_streams],
            args=self._expired(share + 1, share, lease_ms),
        )
        taken = [
            one
            for job_stream, answer in zip(job_streams, answers, strict=True)
            for one in self._reader.taken(partition, job_stream, answer)
        ]
        return await self._ours(taken)

    async def _take_over_recorded(
        self, partition: Partition, job_stream: str | None, lease_ms: int
    ) -> list[ClaimedJob]:
        """At most one segment of one job stream that was handed back or whose lease has expired."""
        (answer,) = await self._take_over(
            keys=[partition.recordings_in(job_stream)], args=self._expired(1, 1, lease_ms)
        )
        taken = self._reader.taken(partition, job_stream, answer)
        return await self._ours([replace(one, recorded=True) for one in taken])

    def _expired(self, most: int, handed_back: int, lease_ms: int) -> list[str | int]:
        """Arguments of TAKE_OVER: `handed_back` jobs that were handed back, then one with an expired lease."""
        return [WORKERS, self._consumer, most, HANDED_BACK_MS, handed_back, lease_ms, 1]

    async def hand_back(self, claimed: Iterable[ClaimedJob], *, tried: bool = False) -> None:
        """
        End the leases of these finals, so that another worker can claim them at once; the others are dropped.

        Unless `tried` is set, the delivery is not counted.
        """
        claimed = tuple(claimed)
        for stream, entries in entries_of(claimed):
            await self._hand_back(
                keys=[stream],
                args=[WORKERS, self._consumer, HANDED_BACK_MS, int(tried), *entries],
            )
        self.take(one for one in claimed if one.effort is not Effort.FINAL)
        for partition in {one.partition for one in claimed}:
            await self._taken.remove(partition)

    async def audio(self, claimed: Sequence[ClaimedJob]) -> list[bytes]:
        """The stored audio of each job: 16-bit little-endian PCM at the job's rate; empty when it has expired."""
        return await self._audio.read(claimed)

    async def begin(self, finals: Sequence[ClaimedJob]) -> list[tuple[int, int]]:
        """
        Count one more try by an engine for each final.

        Returns for each the number of tries, and the engine time in ms of a draft of its segment that was done and
        is not used.
        """
        counted = dict[ClaimedJob, tuple[int, int]]()
        for partition in {one.partition for one in finals}:
            ours = [one for one in finals if one.partition == partition]
            states = [one.keys.state(one.job.segment) for one in ours]
            answers = await self._try(keys=states, args=[_STATE_TTL])
            for one, (tries, draft_ms) in zip(ours, answers, strict=True):
                counted[one] = int(tries), int(draft_ms)
        return [counted[one] for one in finals]

    async def take_back_tries(self, jobs: Iterable[ClaimedJob]) -> None:
        """Do not count the newest try of these finals: they did not break the engine."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in jobs:
                if one.effort is Effort.FINAL:
                    await self._take_back_try(keys=[one.keys.state(one.job.segment)], client=pipe)
            await pipe.execute()

    def take(self, jobs: Iterable[ClaimedJob]) -> None:
        """These partials and drafts are begun or dropped: a later `claim` removes them from their job streams."""
        self._taken.add(jobs)

    async def keep_draft(
        self,
        one: ClaimedJob,
        event: bytes,
        ms: int,
        states: tuple[bytes, bytes] | None = None,
        speakers: tuple[bytes, bytes] | None = None,
    ) -> int | None:
        """
        Keep the final of a draft until its segment ends.  `ms`: engine time; `states`, `speakers`: as for `settle`.

        Returns the engine time in ms of the draft that it replaces; None if it is not needed any more.
        """
        job, keys = one.job, one.keys
        answer = await self._keep_draft(
            keys=[keys.meta, keys.settled, keys.state(job.segment)],
            args=[
                job.log,
                str(job.segment),
                one.digest,
                event,
                ms,
                _STATE_TTL,
                *_changes(job.segment, states, speakers),
            ],
        )
        return None if int(answer) < 0 else int(answer)

    async def doubt(self, one: ClaimedJob) -> None:
        """Tell the gateway of the call that a draft is doubtful, so that its segment waits for more speech."""
        job = one.job
        if job.end is not None:
            doubt = DraftDoubt(job.log, job.segment, job.end)
            await self._redis.publish(one.keys.live, doubt.encode())

    async def speakers(self, one: ClaimedJob) -> bytes:
        """What is known of the voices of the job's channel; empty at the start of the call."""
        state: Any = await self._redis.hget(one.keys.meta, speakers_field(one.job.segment.channel))
        return state or b""

    async def settle(
        self,
        one: ClaimedJob,
        event: bytes,
        dead: str = "",
        states: tuple[bytes, bytes] | None = None,
        speakers: tuple[bytes, bytes] | None = None,
    ) -> Outcome:
        """
        Commit the terminal event of a final; `dead` is the reason if the final was given up.

        `states`: the state of redaction that the event was made with, and the one after it.  `speakers`: the same
        for the speakers of the channel.

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
                *_changes(segment, states, speakers),
            ],
        )
        if answer == b"unseen":
            raise UnseenLogError
        return Outcome(answer.decode())

    async def extend(self, claimed: Iterable[ClaimedJob]) -> None:
        """Renew the leases of these finals."""
        for stream, entries in entries_of(claimed):
            await self._extend(keys=[stream], args=[WORKERS, self._consumer, *entries])

    async def _ours(self, claimed: list[ClaimedJob]) -> list[ClaimedJob]:
        """
        Keep the jobs of our tasks.  Move other finals to the job stream of their task; drop other jobs.

        A dropped partial is requested again, a dropped draft is replaced by the final.  A job without a valid
        language is kept: the engine reports the error.
        """
        foreign = [one for one in claimed if not self._can(one)]
        if not foreign:
            return await self._with_keywords(claimed)
        self.take(one for one in foreign if one.effort is not Effort.FINAL)
        for partition in {one.partition for one in foreign}:
            await self._taken.remove(partition)
        for one in foreign:
            job_stream = stream_suffix(one.job.task)
            if one.effort is Effort.FINAL and job_stream:
                await self._register_streams(keys=[one.partition.job_streams], args=[job_stream])
                await self._pass_on(
                    keys=[one.stream, replace(one, job_stream=job_stream).stream],
                    args=[WORKERS, self._consumer, one.entry],
                )
        return await self._with_keywords([one for one in claimed if one not in foreign])

    async def _with_keywords(self, claimed: list[ClaimedJob]) -> list[ClaimedJob]:
        """Return the jobs with the keyword lists that they name."""
        return [await self._listed(one) if one.job.keyword_list else one for one in claimed]

    async def _listed(self, one: ClaimedJob) -> ClaimedJob:
        job = one.job
        terms = await self._lists.read(one.partition, job.keyword_list)
        flags = job.flags if terms is not None else (*job.flags, _NO_KEYWORDS)
        return replace(one, job=replace(job, keywords=terms or (), keyword_list="", flags=flags))

    def _can(self, one: ClaimedJob) -> bool:
        job_stream = stream_suffix(one.job.task)
        return (
            job_stream is None or job_stream == one.job_stream or self._streams.serves(job_stream)
        )


def _changes(
    segment: SegmentId,
    states: tuple[bytes, bytes] | None,
    speakers: tuple[bytes, bytes] | None,
) -> list[str | bytes]:
    """States of the call as arguments of a script: the field of each, before and after."""
    redaction: list[str | bytes] = ["redaction", *states] if states else []
    return redaction + ([speakers_field(segment.channel), *speakers] if speakers else [])
