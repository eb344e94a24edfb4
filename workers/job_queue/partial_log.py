"""
Partials: published in their order, and what the next one of a segment must follow.

Redis has the last partial of each channel, and the state of redaction of the call. The worker remembers the partial
from its own writes, so that it need not read it. If another worker has changed one of them, the script publishes
nothing and returns what applies.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from redis.asyncio import Redis

from broker.connections.shared_pipeline import Part, SharedPipeline
from broker.redis_keys import Partition
from broker.redis_scripts.scripts import SUGGEST
from protocol.scheduling.jobs import Job

from .claimed import ClaimedJob

_MOST = 4_096
"""Channels remembered; those that were used longest ago are forgotten first."""

_ANY = b"*"
"""For `SUGGEST`: the partial is the same with any state of redaction."""


@dataclass(frozen=True, slots=True)
class PartialState:
    """What a partial follows: revision and words of the one before it, and the state of redaction of its call."""

    revision: int = 0
    hypothesis: bytes = field(default=b"", repr=False)
    redaction: bytes = field(default=b"", repr=False)


class KnownPartials:
    """The last partials of channels, as far as this worker knows them.  Pure."""

    def __init__(self) -> None:
        self._partials: OrderedDict[tuple[str, str, int], tuple[int, PartialState]] = OrderedDict()

    def of(self, job: Job) -> PartialState:
        """Return what the next partial of a segment follows, as far as known."""
        number, state = self._partials.get(_channel(job), (-1, PartialState()))
        return state if number == job.segment.number else PartialState()

    def learn(self, job: Job, state: PartialState) -> None:
        """Remember the last partial of a segment, and the state of redaction that it was made with."""
        channel = _channel(job)
        self._partials[channel] = (job.segment.number, state)
        self._partials.move_to_end(channel)
        if len(self._partials) > _MOST:
            self._partials.popitem(last=False)


class PartialLog:
    """Publishes the partials of one worker.  Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, redis: Redis, pipelines: Mapping[Partition, SharedPipeline]) -> None:
        self._suggest = redis.register_script(SUGGEST.source)
        self._pipelines = pipelines
        self.known = KnownPartials()

    async def publish(
        self,
        one: ClaimedJob,
        after: PartialState,
        hypothesis: bytes,
        event: bytes,
        *,
        any_redaction: bool = False,
    ) -> PartialState | None:
        """
        Publish a partial, as revision `after.revision + 1` of its segment.

        `hypothesis`: its words, for the next partial.  `any_redaction`: it is the same with any state of redaction.
        Returns None if it was published or comes too late; otherwise the state that it must follow instead of
        `after`.
        """
        job, segment = one.job, one.job.segment
        said = [job.log, segment.channel, segment.number, one.entry, after.revision]
        part = Part(
            self._suggest,
            [one.keys.meta],
            [*said, _ANY if any_redaction else after.redaction, hypothesis, one.keys.live, event],
        )
        (answer,) = await self._pipelines[one.partition].run(parts=[part])
        if isinstance(answer, list):
            revision, redaction, words = answer
            self.known.learn(job, newer := PartialState(int(revision), words, redaction))
            return newer
        if answer == 1:
            self.known.learn(job, PartialState(after.revision + 1, hypothesis, after.redaction))
        return None


def _channel(job: Job) -> tuple[str, str, int]:
    return (job.call_id, job.log, job.segment.channel)
