"""What a background job is: a recording in one of two forms, and who is told its end."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from broker.recording_jobs import JobStatus, RecordingJob
from protocol.auth.credentials import Permit
from protocol.bridge_events import DialectError
from protocol.calls.call import adapted_call_id
from protocol.clock import at_rate
from protocol.codecs.wav import Samples
from protocol.dialects.base import Message, Request
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.deepgram.prerecorded import Report, as_live
from protocol.dialects.deepgram.recorded import OPENING, RecordedDialect
from protocol.dialects.openai.transcriptions import Wanted
from protocol.outgoing.webhooks import Callback

from ...audio.files.container import ContainerStream
from ..recording_messages import messages, rate_of

_LONGEST_RESULT = 4_194_304
"""Most bytes of a result in a callback; a longer transcript is fetched from the API of stored calls."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a gateway needs, beside the content, to transcribe a recording; stored in Redis."""

    call_id: str
    """Id of the call and of the job, as the client knows it."""

    permit: Permit
    wanted: Wanted | None = None
    """The request in OpenAI's form."""

    listen: Request | None = None
    """The request in Deepgram's form."""

    callback: Callback | None = None
    sha256: str = ""
    """Of the content, for Deepgram's form."""

    deaths: int = 0
    """Gateways that have died while they played it."""

    message_id: str = field(default_factory=lambda: f"job_{secrets.token_hex(12)}")
    """Identifies the callback over all attempts."""

    @property
    def filed_id(self) -> str:
        """Id of the call as it is stored."""
        return self.permit.filed(self.call_id)

    def live(self, rate: int, channels: int) -> Request:
        """Return the request of the live dialect for 16-bit PCM of `channels` channels at `rate` Hz."""
        if self.wanted is not None:
            return self.wanted.as_live(rate, channels)
        assert self.listen is not None
        return as_live(self.listen, rate, channels)

    def result(self, results: LiveResults) -> dict[str, Any] | None:
        """Return the whole result, where the form has it in its callback and it is not too long."""
        if self.listen is None or not results.complete:
            return None
        said = Report(results, self.listen, self.sha256).answer()
        return said if len(msgspec.json.encode(said)) <= _LONGEST_RESULT else None


def job_id(named: str | None, permit: Permit) -> str:
    """Return the id of a new job and of its call.  Raises DialectError if the permit does not cover it."""
    call_id = adapted_call_id(named) if named else f"recording-{secrets.token_hex(8)}"
    if not permit.covers(call_id):
        raise DialectError("this token is valid for another call only")
    return call_id


def written_spec(spec: JobSpec) -> bytes:
    """Encode as MessagePack."""
    return msgspec.msgpack.encode(spec)


def read_spec(written: bytes) -> JobSpec | None:
    """Decode; None if another version wrote it."""
    try:
        return msgspec.msgpack.decode(written, type=JobSpec)
    except msgspec.MsgspecError:
        return None


class JobPlayback:
    """A recording of a job while it is played."""

    def __init__(self, spec: JobSpec, heard: Samples | ContainerStream) -> None:
        self.spec = spec
        self.heard = heard
        self.results = LiveResults()
        self._rate = rate_of(heard)
        self.dialect = RecordedDialect(spec.live(self._rate, heard.channels))
        self._read = 0

    def said(self) -> Iterator[Message]:
        """Yield the messages of a live client; the audio from where the call continues."""
        yield OPENING
        known = 2 * self.heard.channels * at_rate(self.dialect.begin, self._rate)
        for message in messages(self.heard, self._rate):
            if isinstance(message, str):
                yield message
                continue
            self._read += len(message)
            new, known = message[known:], max(0, known - len(message))
            if new:
                yield new

    @property
    def played_ms(self) -> int:
        """Length of the audio that was read."""
        return self._read * 1_000 // (2 * self.heard.channels * self._rate)

    @property
    def fault(self) -> str | None:
        """Why the recording cannot be transcribed; None if no fault was found."""
        broken = self.heard.fault if isinstance(self.heard, ContainerStream) else None
        return self.results.fault or broken


def running(playback: JobPlayback) -> RecordingJob:
    """Return the state of a job in progress."""
    return RecordingJob(JobStatus.RUNNING, playback.played_ms)
