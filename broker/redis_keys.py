"""
Names of the Redis keys.

All keys of one call carry the hash tag of its partition, so that a script may touch them together on a
cluster too (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).

Per partition
    lanes       set: the lanes in which jobs have been queued, by what they need of a worker: `en-en` is English
                written as it is spoken, `de-en` German written in English
    finals:<lane>      stream, group `workers`: segments whose speech has ended; never trimmed
    recordings:<lane>  stream, group `workers`: the same of recordings, for when nothing of a live call waits
    partials:<lane>    stream, group `workers`: open segments somebody wants to read; at most one entry each
    finals, recordings, partials  the same for jobs without a lane: workers of any kind read them, and pass on
                what they cannot do
    outbox      stream, group `recorder`: a copy of every logged event, until it is stored
    dead        stream: finals that were given up, by reference; no audio, no text
    workers     hash: what each worker gets done (capacity.py); gone soon after the last word of the last worker
    calls       sorted set: calls in progress, scored by the last sign of life of their gateway

Per call
    meta        hash: `log` (which log this is), `owner` (the connection or gateway that may write), `adopted` (if
                that is a gateway which adopted an orphaned call: the connection that had it before),
                `checkpoint` (how far it has come), `seq` (the last one given), `next:<channel>` (the segment
                whose terminal event comes next in the log), `server` (the life of the server in which the
                owner has seen the log)
    log         stream: the events, each under the id `<seq>-0`
    settled     hash: what must happen once.  `<channel>-<number>` holds the terminal event of a segment until
                its turn in the log has come, then nothing; other fields name events of the gateway
    live        pub/sub channel: `<seq> <event>` for what was just logged, `- <event>` for partials

Per segment
    audio       string: 16-bit little-endian PCM at the engine's rate, growing
    state       hash: `waiting` (a partial is asked for), `revision`, `published`, `hypothesis`, `queued` (the
                job of the final), `tried` (how often an engine was given it)

Per call that is to come
    announced   string: what its site said of it, by the UUID under which it will come; for some minutes
"""

from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

from protocol.events import SegmentId

WORKERS = "workers"
RECORDER = "recorder"


@dataclass(frozen=True, slots=True)
class Partition:
    """A share of the calls; its keys live together."""

    number: int

    @property
    def tag(self) -> str:
        """What all keys of the partition begin with."""
        return f"trunkline:{{p{self.number}}}"

    @property
    def job_streams(self) -> str:
        """Set of the lanes in which jobs have been queued."""
        return f"{self.tag}:lanes"

    @property
    def finals(self) -> str:
        """Stream of segments to be transcribed, for workers of any kind."""
        return self.finals_in(None)

    @property
    def recordings(self) -> str:
        """Stream of segments of recordings, for workers of any kind."""
        return self.recordings_in(None)

    @property
    def partials(self) -> str:
        """Stream of open segments to be looked at, for workers of any kind."""
        return self.partials_in(None)

    def finals_in(self, job_stream: str | None) -> str:
        """Stream of segments to be transcribed by workers that can do what the lane needs; None: by any."""
        return f"{self.tag}:finals:{job_stream}" if job_stream else f"{self.tag}:finals"

    def recordings_in(self, job_stream: str | None) -> str:
        """Stream of segments of recordings, which are transcribed when no live call waits; None: by any worker."""
        return f"{self.tag}:recordings:{job_stream}" if job_stream else f"{self.tag}:recordings"

    def partials_in(self, job_stream: str | None) -> str:
        """Stream of open segments to be looked at by workers that can do what the lane needs; None: by any."""
        return f"{self.tag}:partials:{job_stream}" if job_stream else f"{self.tag}:partials"

    @property
    def outbox(self) -> str:
        """Stream of events to be stored."""
        return f"{self.tag}:outbox"

    @property
    def dead(self) -> str:
        """Stream of segments given up."""
        return f"{self.tag}:dead"

    @property
    def workers(self) -> str:
        """Hash of what each worker gets done."""
        return f"{self.tag}:workers"

    @property
    def calls(self) -> str:
        """Sorted set of calls in progress."""
        return f"{self.tag}:calls"


@dataclass(frozen=True, slots=True)
class CallKeys:
    """The keys of one call."""

    partition: Partition
    call_id: str

    @classmethod
    def of(cls, call_id: str, partitions: int) -> "CallKeys":
        """The keys of `call_id` where calls are spread over `partitions`."""
        return cls(Partition(crc32(call_id.encode()) % partitions), call_id)

    @property
    def meta(self) -> str:
        """Hash: which log, its last seq, whose turn it is."""
        return self._key("meta")

    @property
    def log(self) -> str:
        """Stream of the call's events."""
        return self._key("log")

    @property
    def settled(self) -> str:
        """Hash of what must happen once."""
        return self._key("settled")

    @property
    def live(self) -> str:
        """Pub/sub channel of what happens now."""
        return self._key("live")

    def audio(self, segment: SegmentId) -> str:
        """String: the audio of one segment."""
        return self._key(f"audio:{segment}")

    def state(self, segment: SegmentId) -> str:
        """Hash: the partials of one segment."""
        return self._key(f"state:{segment}")

    def settling(self, segment: SegmentId, stream: str | None = None) -> list[str]:
        """All that the end of a segment touches, as the script `SETTLE` wants it; its job lies in `stream`."""
        return [
            stream or self.partition.finals,
            self.meta,
            self.log,
            self.settled,
            self.partition.outbox,
            self.audio(segment),
            self.state(segment),
            self.partition.dead,
        ]

    def _key(self, name: str) -> str:
        return f"{self.partition.tag}:call:{self.call_id}:{name}"


def announced(uuid: UUID) -> str:
    """String: what is known of a call that will come under `uuid`; belongs to no partition."""
    return f"trunkline:announced:{uuid}"
