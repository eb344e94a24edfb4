"""What travels to a worker: small, and without audio, which lies beside it under the segment's key."""

import re
from dataclasses import dataclass

import msgspec

from .events import SegmentId
from .worker_capacity import Task

VERSION = 1

_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Job:
    """One segment to be transcribed, whole or as far as it has been heard."""

    call_id: str
    log: str
    """Which log the result belongs to: a result for an older one is refused."""

    segment: SegmentId
    start: int
    """Where the segment begins, in samples of the call clock."""

    queued_at: float
    """Wall clock in seconds: for the waiting time in the final, and for age."""

    language: str
    translate_to: str | None = None
    keywords: tuple[str, ...] = ()
    keywords_revision: int = 0
    end: int | None = None
    """Where the segment ends; None while it is open."""

    @property
    def task(self) -> Task:
        """What a worker must be able to do."""
        return self.language, self.translate_to or self.language


class JobError(ValueError):
    """A job that this program cannot read: written by another version, or not a job."""


def stream_suffix(task: Task) -> str | None:
    """
    The name of the lane in which jobs of `task` wait: `en-en`, `de-en`.

    None when these are no languages: such a job waits in the lane that all workers read.
    """
    return "-".join(task) if all(map(_LANGUAGE.fullmatch, task)) else None


def task_of(job_stream: str) -> Task | None:
    """The task of a lane; None when the name is of none."""
    spoken, _, written = job_stream.partition("-")
    task = (spoken, written)
    return task if stream_suffix(task) == job_stream else None


def encode_job(job: Job) -> bytes:
    """The wire form: a version, then the job, in MessagePack."""
    return msgspec.msgpack.encode((VERSION, job))


def decode_job(payload: bytes) -> Job:
    """The reverse; JobError says why not."""
    try:
        version, body = msgspec.msgpack.decode(payload, type=tuple[int, msgspec.Raw])
        if version != VERSION:
            raise JobError(f"a job of version {version}; this program knows {VERSION}: update it")
        return msgspec.msgpack.decode(body, type=Job)
    except msgspec.MsgspecError as exc:
        raise JobError("not a job") from exc
