"""The state of recordings that are transcribed in the background, for those who ask for it."""

from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis

from .redis_keys import CallKeys

_RUNNING_SECONDS = 3_600
"""Seconds after which a job is forgotten whose gateway has died and that no other gateway continues."""

_KEEP_SECONDS = 86_400


class JobStatus(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RecordingJob(msgspec.Struct, frozen=True):
    """A recording in progress or done.  Its transcript is that of the stored call."""

    status: JobStatus
    played_ms: int = 0
    """Length of the audio that was played into the pipeline."""

    error: str = ""
    """Why it failed, for the client."""


async def write_job(redis: Redis, keys: CallKeys, job: RecordingJob) -> None:
    """Write the state of a job.  Raises the errors of redis-py."""
    seconds = _RUNNING_SECONDS if job.status is JobStatus.RUNNING else _KEEP_SECONDS
    await redis.set(keys.job, msgspec.msgpack.encode(job), ex=seconds)


async def read_job(redis: Redis, keys: CallKeys) -> RecordingJob | None:
    """Read the state of a job; None if there is none, or if another version wrote it."""
    payload: Any = await redis.get(keys.job)
    if payload is None:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=RecordingJob)
    except msgspec.MsgspecError:
        return None
