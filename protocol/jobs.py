"""What travels to a worker: small, and without audio, which lies beside it under the segment's key."""

from dataclasses import dataclass

import msgspec

from .events import SegmentId

VERSION = 1


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


class JobError(ValueError):
    """A job that this program cannot read: written by another version, or not a job."""


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
