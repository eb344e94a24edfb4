"""The writes of a call that collect in its ledger, as commands of a pipeline."""

import contextlib
from dataclasses import dataclass
from typing import assert_never

from redis.asyncio.client import Pipeline

from broker.connections.shared_pipeline import Part, SharedPipeline
from broker.redis_keys import WORKERS, CallKeys
from broker.redis_scripts.scripts import APPEND, APPEND_AUDIO, SETTLE, SUBMIT
from protocol.events import SegmentId
from protocol.scheduling.jobs import JobError, decode_job, stream_suffix

from ..call.ledger import GiveUp, LogEvent, QueueDraft, QueueFinal, StoreAudio, Write

AUDIO_TTL = 900
"""Seconds after which audio expires in Redis if no process renews it."""

SharedWrite = StoreAudio | QueueDraft | LogEvent
"""Writes that one run of a script performs for several calls.  Those of a call keep their order by kind."""

OwnWrite = QueueFinal | GiveUp
"""Writes that need a run of a script each.  They come behind the others."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The write was refused: Redis has only the first `there` bytes of the audio that the write needs."""

    segment: SegmentId
    there: int


class WriteScripts:
    """The scripts of these writes, for one call.  Each is atomic and idempotent."""

    def __init__(self, pipeline: SharedPipeline, keys: CallKeys) -> None:
        self._keys = keys
        self._append = pipeline.script(APPEND)
        self._feed = pipeline.script(APPEND_AUDIO)
        self._submit = pipeline.script(SUBMIT)
        self._settle = pipeline.script(SETTLE)

    def part(self, write: SharedWrite, suffix: str | None, log: str, owner: str) -> Part:
        """
        Return a write that is performed together with those of other calls.

        `suffix`: of the job stream of the write.  `log` and `owner`: the write is refused for any other.
        """
        keys, partition = self._keys, self._keys.partition
        match write:
            case LogEvent(name, payload):
                return Part(
                    self._append,
                    [keys.meta, keys.log, keys.settled, partition.outbox],
                    [log, owner, keys.call_id, keys.live, name, payload],
                )
            case StoreAudio(segment, offset, audio, partial):
                return Part(
                    self._feed,
                    [keys.meta, keys.audio(segment), partition.partials_in(suffix)],
                    [log, owner, offset, audio, AUDIO_TTL, partial],
                )
            case QueueDraft(segment, job, size):
                return Part(
                    self._feed,
                    [keys.meta, keys.audio(segment), partition.drafts_in(suffix)],
                    [log, owner, size, b"", AUDIO_TTL, job],
                )
            case _:
                assert_never(write)

    async def add(
        self, write: OwnWrite, suffix: str | None, pipe: Pipeline, log: str, owner: str
    ) -> None:
        """Add another write to `pipe`; `suffix`, `log` and `owner` as for `part`."""
        ours = [log, owner]
        match write:
            case QueueFinal():
                await self._queue_final(write, suffix, ours, pipe)
            case GiveUp():
                await self._give_up(write, ours, pipe)
            case _:
                assert_never(write)

    async def _queue_final(
        self, write: QueueFinal, suffix: str | None, ours: list[str], pipe: Pipeline
    ) -> None:
        keys, segment = self._keys, write.segment
        partition = keys.partition
        drafted: list[str | int] = (
            [keys.call_id, keys.live, segment.channel] if write.drafted else []
        )
        queue_in = partition.recordings_in if write.recorded else partition.finals_in
        await self._submit(
            keys=[
                keys.meta,
                keys.settled,
                keys.state(segment),
                queue_in(suffix),
                keys.audio(segment),
                keys.log,
                partition.outbox,
            ],
            args=[*ours, str(segment), AUDIO_TTL, write.job, write.size, *drafted],
            client=pipe,
        )

    async def _give_up(self, write: GiveUp, ours: list[str], pipe: Pipeline) -> None:
        keys, segment = self._keys, write.segment
        log, owner = ours
        place = [segment.channel, segment.number]
        await self._settle(
            keys=keys.settling(segment),
            args=[WORKERS, "", owner, log, keys.call_id, keys.live, *place, write.payload, ""],
            client=pipe,
        )


def stream_suffix_of(write: Write) -> str | None:
    """Return the suffix of the job stream of a write; None if it has no job, or one of another version."""
    match write:
        case StoreAudio(partial=job) | QueueDraft(job=job) | QueueFinal(job=job) if job:
            with contextlib.suppress(JobError):
                return stream_suffix(decode_job(job).task)
    return None
