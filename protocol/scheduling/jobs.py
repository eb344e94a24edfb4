"""Jobs for workers. A job carries no audio: the audio has its own key (see broker/redis_keys.py)."""

import re
from dataclasses import dataclass

import msgspec

from ..calls.call import NO_ROLES, RoleRule
from ..calls.text_form import AS_HEARD, TextForm
from ..clock import CALL_RATE, ENGINE_RATE
from ..events import SegmentId
from ..redaction.policy import CARD_DATA_POLICY, Policy
from .worker_capacity import Task

VERSION = 2
_VERSION_AT_ENGINE_RATE = 1
"""Version of a job whose audio is stored at 16 kHz: workers that know no other rate can do it too."""

_RATES = (CALL_RATE, ENGINE_RATE)

_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Job:
    """The request to transcribe a segment, or the part of an open segment received so far."""

    call_id: str
    log: str
    """The log that the result belongs to. A result for an older log is refused."""

    segment: SegmentId
    start: int
    """Start of the segment, in samples of the call clock."""

    queued_at: float
    """Wall clock in seconds since 1970: for the waiting time in the final and the age of the job."""

    language: str
    translate_to: str | None = None
    keywords: tuple[str, ...] = ()
    """The keywords of the call, unless `keyword_list` names them."""

    keywords_revision: int = 0
    end: int | None = None
    """End of the segment, in samples of the call clock; None while it is open."""

    redaction: Policy = CARD_DATA_POLICY
    """What the worker leaves out of the words. A job of an older gateway gets the default."""

    form: TextForm = AS_HEARD
    """How the words are shown."""

    flags: tuple[str, ...] = ()
    """Flags of the final that the gateway sets, for example `background`."""

    padding: int = 0
    """Digital silence that the engine gets behind the audio, in samples of the call clock."""

    speakers: int = 0
    """Most speakers of the channel, which are told apart; 0: they are not."""

    speaker_roles: RoleRule = NO_ROLES
    """How these speakers get roles."""

    rate: int = ENGINE_RATE
    """Sample rate of the stored audio in Hz, 8000 or 16000.  A job of an older gateway has none: 16000."""

    keyword_list: str = ""
    """Digest of a long list, which has its own key (see broker/keyword_lists.py); empty: `keywords` are all."""

    spelling: bool = False
    """Whether the call was asked to spell shortly before (see `protocol.calls.spelling`)."""

    @property
    def task(self) -> Task:
        """The task that a worker must support."""
        return self.language, self.translate_to or self.language


class JobError(ValueError):
    """The bytes are not a job of a known version."""


def stream_suffix(task: Task) -> str | None:
    """
    Suffix of the job streams of `task`: `en-en`, `de-en`.

    None if the task has no valid language codes: such jobs wait in the job streams that all workers read.
    """
    return "-".join(task) if all(map(_LANGUAGE.fullmatch, task)) else None


def task_of(job_stream: str) -> Task | None:
    """The task of a job stream with the suffix `job_stream`; None if it is not such a suffix."""
    spoken, _, written = job_stream.partition("-")
    task = (spoken, written)
    return task if stream_suffix(task) == job_stream else None


def encode_job(job: Job) -> bytes:
    """
    Encode a job: version number and job, in MessagePack.

    A worker that would take 8 kHz for 16 kHz does not know the version: it leaves the job to others.
    """
    version = _VERSION_AT_ENGINE_RATE if job.rate == ENGINE_RATE else VERSION
    return msgspec.msgpack.encode((version, job))


def decode_job(payload: bytes) -> Job:
    """Decode a job. Raises `JobError` if the bytes are not a job of a known version."""
    try:
        version, body = msgspec.msgpack.decode(payload, type=tuple[int, msgspec.Raw])
        if not _VERSION_AT_ENGINE_RATE <= version <= VERSION:
            raise JobError(f"a job of version {version}; this program knows {VERSION}: update it")
        job = msgspec.msgpack.decode(body, type=Job)
    except msgspec.MsgspecError as exc:
        raise JobError("not a job") from exc
    if job.rate not in _RATES:
        raise JobError(f"a job with audio at {job.rate} Hz: 8000 or 16000")
    return job
