"""A claimed job, and the outcomes of settling it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import RedisError

from broker.redis_keys import CallKeys, Partition, parse_entry_id
from protocol.events import SegmentId
from protocol.scheduling.jobs import Job

from ..engines.base import Effort


class UnseenLogError(RedisError):
    """
    This Redis server lacks the call's event log, and the call's gateway has not restored it yet.

    Try again later, as after any Redis error.
    """


class Outcome(StrEnum):
    """What Redis answered when a worker committed the result of a final."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    """The segment had its terminal event already."""

    STALE = "stale"
    """The call has another event log now; its gateway queues the segment again."""

    MOVED = "moved"
    """Another segment of the call was committed since a state of the call was read: make the final again."""

    LOST = "lost"
    """Another worker holds the lease now."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A claimed job.  Settle a final, `take` a partial; otherwise the lease expires."""

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

    digest: str = ""
    """SHA-1 of the encoded job of a draft; empty for others."""

    @property
    def stream(self) -> str:
        """Redis key of the stream that holds the entry."""
        if self.effort is Effort.PARTIAL:
            return self.partition.partials_in(self.job_stream)
        if self.effort is Effort.DRAFT:
            return self.partition.drafts_in(self.job_stream)
        if self.recorded:
            return self.partition.recordings_in(self.job_stream)
        return self.partition.finals_in(self.job_stream)

    @property
    def queued_at(self) -> float:
        """When the job was queued, in seconds since 1970 by the clock of Redis."""
        return parse_entry_id(self.entry.encode())[0] / 1_000

    @property
    def keys(self) -> CallKeys:
        """The Redis keys of the job's call."""
        return CallKeys(self.partition, self.job.call_id)

    @property
    def segment(self) -> tuple[str, str, SegmentId]:
        """Identifies the segment among all segments: call, event log, channel and number."""
        return self.job.call_id, self.job.log, self.job.segment

    @property
    def key(self) -> str:
        """Identifies the job among all jobs of the worker."""
        return f"{self.stream}:{self.entry}"


def entries_of(
    claimed: Iterable[ClaimedJob], effort: Effort = Effort.FINAL
) -> Iterator[tuple[str, list[str]]]:
    """The entries of the jobs of one effort, by stream."""
    by_stream: dict[str, list[str]] = {}
    for one in claimed:
        if one.effort is effort:
            by_stream.setdefault(one.stream, []).append(one.entry)
    yield from by_stream.items()
