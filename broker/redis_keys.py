"""
Names of the Redis keys.

All keys of one call carry the hash tag of its partition, so that one script can change them together, on a
cluster too (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).

Per partition
    lanes       set: the suffixes of job streams in use. A suffix is a task: `en-en` transcribes English, `de-en`
                translates German to English
    finals:<task>      stream, group `workers`: jobs of segments that have ended; never trimmed
    recordings:<task>  stream, group `workers`: jobs of recordings, done if no job of a live call waits
    partials:<task>    stream, group `workers`: requests for partials of open segments: of each the next one
                when the last one was answered, or four intervals later; trimmed
    drafts:<task>      stream, group `workers`: requests for drafts of segments that end soon unless speech goes on;
                trimmed: a draft that is not done in time is replaced by the final
    finals, recordings, partials, drafts  the same for jobs without a task: all workers read them, and pass a job
                that they cannot do on to the job stream of its task
    outbox      stream, group `recorder`: a copy of every logged event, until it is stored
    dead        stream: references to finals that were given up; no audio, no text
    workers     hash: the capacity of each worker (worker_capacity.py); expires soon after the last report
    calls       sorted set: calls in progress, scored by the last heartbeat of their gateway
    keywords:<digest>  string: a long keyword list; renewed by the gateways whose calls have it (keyword_lists.py)
    commands    pub/sub channel: commands to calls in progress, which every gateway reads
    reply:<random>  list: the reply to one command; expires after some seconds

In all
    page-secret  string: random bytes with which the API seals sessions of browsers (shared_secret.py)
    usage:<what>:<name>  hash: what each gateway process uses of something that is limited for a tenant or key, with
                the time at which its count lapses; or the token bucket of a rate (usage/)
    usage:nonce:<hash>  string: a signature with this nonce was accepted; expires
    refused     list: the last connections that gateways refused, newest first; expires (refused_connections.py)

Per call
    meta        hash: `log` (name of the log), `owner` (the connection or gateway that may write), `adopted` (the
                owner before a gateway adopted the orphaned call), `checkpoint` (state for another gateway), `seq`
                (the last one given), `next:<channel>` (the segment whose terminal event comes next in the log),
                `redaction` (what is known of the numbers of recent segments, without their digits),
                `speakers:<channel>` (embeddings of the voices of a channel, if its speakers are told apart),
                `partial:<channel>` (the last partial: number of its segment, revision, id of its request),
                `words:<channel>` (its words, until its segment is settled),
                `server` (run_id of the server process on which the owner has checked the log)
    log         stream: the events, each with the id `<seq>-0`
    settled     hash: events that may be logged only once. `<channel>-<number>` holds the terminal event of a
                segment until its turn in the log, then an empty value; other fields name events of the gateway
    live        pub/sub channel: `<seq> <event>` for a logged event, `- <event>` for a partial
    job         string: the state of a recording that is transcribed in the background; expires
    content     list: the pieces of the file of such a recording, until it is done; expires

Per segment
    audio       string: 16-bit little-endian PCM at the engine's rate, growing
    state       hash of a closed segment: `queued` (the job of the final), `entry` (its id in the job stream),
                `tried` (how often an engine received it); of an open one: `draft` (the redacted event of a draft
                that is done), `draft_of` (SHA-1 of its job), `draft_ms` (its engine time), `draft_before` and
                `draft_after` (states of redaction), `speakers_before` and `speakers_after`

Per queue of requests to servers of others (`outgoing/`), and of recordings in the background (`job_store.py`)
    due         sorted set: keys of requests, scored by the time from which on they may be sent
    waiting     hash: the requests
    due:<tenant>, waiting:<tenant>  the same for a tenant
    tenants     sorted set: tenants of requests, scored by the time of the last one

Per announced call
    announced   string: the announcement of the site, under the UUID of the future call; kept for some minutes
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

from protocol.events import SegmentId

WORKERS = "workers"
RECORDER = "recorder"
PAGE_SECRET = "trunkline:page-secret"  # noqa: S105  # its name, not the secret
"""The secret of sessions of browsers."""

REFUSED = "trunkline:refused"
"""The last connections that gateways refused."""


def parse_entry_id(entry_id: bytes) -> tuple[int, int]:
    """
    Split the id of a stream entry (`first-second`) into a pair that can be compared.

    In an event log, `first` is the seq. In other streams the server sets it: milliseconds since 1970 by its clock.
    """
    first, _, second = entry_id.partition(b"-")
    return int(first), int(second)


@dataclass(frozen=True, slots=True)
class Partition:
    """A share of the calls, whose keys are on the same Redis node."""

    number: int

    @property
    def tag(self) -> str:
        """The prefix of all keys of the partition."""
        return f"trunkline:{{p{self.number}}}"

    @property
    def job_streams(self) -> str:
        """Set of the suffixes of job streams in which jobs were queued."""
        return f"{self.tag}:lanes"

    @property
    def finals(self) -> str:
        """Job stream of segments, read by all workers."""
        return self.finals_in(None)

    @property
    def recordings(self) -> str:
        """Job stream of recordings, read by all workers."""
        return self.recordings_in(None)

    @property
    def partials(self) -> str:
        """Stream of requests for partials, read by all workers."""
        return self.partials_in(None)

    def finals_in(self, job_stream: str | None) -> str:
        """Job stream of segments. `job_stream`: suffix that names the task, such as `de-en`; None: all workers."""
        return f"{self.tag}:finals:{job_stream}" if job_stream else f"{self.tag}:finals"

    def recordings_in(self, job_stream: str | None) -> str:
        """Job stream of recordings, transcribed if no live call waits. `job_stream` as in `finals_in`."""
        return f"{self.tag}:recordings:{job_stream}" if job_stream else f"{self.tag}:recordings"

    def partials_in(self, job_stream: str | None) -> str:
        """Stream of requests for partials. `job_stream` as in `finals_in`."""
        return f"{self.tag}:partials:{job_stream}" if job_stream else f"{self.tag}:partials"

    def drafts_in(self, job_stream: str | None) -> str:
        """Stream of requests for drafts. `job_stream` as in `finals_in`."""
        return f"{self.tag}:drafts:{job_stream}" if job_stream else f"{self.tag}:drafts"

    def keyword_list(self, digest: str) -> str:
        """A long keyword list, by the digest of its terms."""
        return f"{self.tag}:keywords:{digest}"

    @property
    def outbox(self) -> str:
        """Stream of events that the recorder has not stored yet."""
        return f"{self.tag}:outbox"

    @property
    def dead(self) -> str:
        """Stream of segments that were given up."""
        return f"{self.tag}:dead"

    @property
    def workers(self) -> str:
        """Hash of the capacity of each worker."""
        return f"{self.tag}:workers"

    @property
    def calls(self) -> str:
        """Sorted set of calls in progress."""
        return f"{self.tag}:calls"

    @property
    def commands(self) -> str:
        """Pub/sub channel of commands to calls in progress."""
        return f"{self.tag}:commands"


@dataclass(frozen=True, slots=True)
class CallKeys:
    """The keys of one call."""

    partition: Partition
    call_id: str

    @classmethod
    def of(cls, call_id: str, partitions: int) -> "CallKeys":
        """The keys of `call_id` in an installation with `partitions` partitions."""
        return cls(Partition(crc32(call_id.encode()) % partitions), call_id)

    @property
    def meta(self) -> str:
        """Hash: name of the log, owner, last seq, next segment of each channel."""
        return self._key("meta")

    @property
    def log(self) -> str:
        """Stream of the call's events."""
        return self._key("log")

    @property
    def settled(self) -> str:
        """Hash of events that may be logged only once."""
        return self._key("settled")

    @property
    def live(self) -> str:
        """Pub/sub channel of new events and partials."""
        return self._key("live")

    @property
    def job(self) -> str:
        """String: the state of a recording that is transcribed in the background."""
        return self._key("job")

    @property
    def content(self) -> str:
        """List: the pieces of the file of a recording that is transcribed in the background."""
        return self._key("content")

    def audio(self, segment: SegmentId) -> str:
        """String: the audio of a segment."""
        return self._key(f"audio:{segment}")

    def state(self, segment: SegmentId) -> str:
        """Hash: the job of a closed segment."""
        return self._key(f"state:{segment}")

    def settling(self, segment: SegmentId, stream: str | None = None) -> list[str]:
        """The keys for the script `SETTLE`, in order. `stream`: the job stream with the job of the segment."""
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


@dataclass(frozen=True, slots=True)
class DeliveryKeys:
    """The keys of a queue of requests to servers of others; belongs to no partition."""

    queue: str
    tenant: str = ""

    @property
    def due(self) -> str:
        """Sorted set of keys of requests."""
        return self._key("due")

    @property
    def waiting(self) -> str:
        """Hash of requests."""
        return self._key("waiting")

    @property
    def tenants(self) -> str:
        """Sorted set of tenants that have requests."""
        return f"trunkline:{{{self.queue}}}:tenants"

    def of(self, tenant: str) -> "DeliveryKeys":
        """The keys of a tenant; "": of requests without a tenant."""
        return DeliveryKeys(self.queue, tenant)

    def _key(self, name: str) -> str:
        return f"trunkline:{{{self.queue}}}:{name}" + (f":{self.tenant}" if self.tenant else "")


def speakers_field(channel: int) -> str:
    """Field of `meta` with what is known of the voices of a channel."""
    return f"speakers:{channel}"


def announced(uuid: UUID) -> str:
    """Key of the announcement of a call that will arrive under `uuid`; belongs to no partition."""
    return f"trunkline:announced:{uuid}"


def usage_key(what: str, whose: str) -> str:
    """Key of what all gateways use of something that is limited for a tenant or key; belongs to no partition."""
    return f"trunkline:usage:{what}:{whose}"


def names_in(found: Iterable[bytes]) -> list[str]:
    """Decode the members of a set.  One that is not UTF-8, which no part writes, hides none of the others."""
    return [name.decode(errors="replace") for name in found]
