"""The checkpoint: the state that another gateway needs, beside the event log, to continue a call."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest

import msgspec

from protocol.bridge_events import CallOpened
from protocol.calls.call import CallConfig, Keywords, Role
from protocol.clock import ENGINE_RATE
from protocol.events import SegmentId

from ..audio.resampler import internal_rate

VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    Stored in Redis beside the event log of every call in progress, and renewed every two seconds.

    A field that an older gateway did not write gets its default; a field unknown to this gateway is ignored.
    """

    roles: tuple[Role, ...]
    dialect: str
    started_at: float
    config: CallConfig
    heard: tuple[int, ...]
    """For each channel, the position up to which nothing is lost if the gateway dies, on the call clock."""

    token: bytes = b""
    """SHA-256 of the resume token that a bridge must send to continue the call; empty if it has none."""

    rejected_keywords: tuple[str, ...] = ()
    """Keywords refused at the start of the call, in case the event log has no entries yet."""

    marks: tuple[str, ...] = ()
    """Names of marks that are not answered yet."""

    rate: int = ENGINE_RATE
    """Sample rate of the stored audio of segments, in Hz.  Older gateways stored all audio at 16 kHz."""

    keyword_list: str = ""
    """Digest of a long keyword list, which is stored apart; then `config` has none, with revision -1."""

    keywords_revision: int = 0
    """Revision of that list."""

    other_rates: dict[str, int] = field(default_factory=dict)
    """Rates of unsettled segments with another one: the bridge has come back with audio of another rate."""

    def rate_of(self, segment: SegmentId) -> int:
        """Return the sample rate of the stored audio of a segment without a job, in Hz."""
        return self.other_rates.get(str(segment), self.rate)

    def listing(self, digest: str) -> "Checkpoint":
        """
        Return a copy that names its keyword list instead of containing it.

        Revision -1 is older than every list in the event log: a reader that does not find the list stored, or does
        not know of lists that are stored apart, takes the one of the event log.
        """
        config = replace(self.config, keywords=Keywords((), -1))
        revision = self.config.keywords.revision
        return replace(self, config=config, keyword_list=digest, keywords_revision=revision)

    def with_listed(self, terms: tuple[str, ...]) -> "Checkpoint":
        """Return a copy that contains the list that it names."""
        config = replace(self.config, keywords=Keywords(terms, self.keywords_revision))
        return replace(self, config=config, keyword_list="", keywords_revision=0)

    def opens_for(self, token: str) -> bool:
        """Return whether `token` is the call's resume token.  Compares in constant time."""
        return bool(self.token) and compare_digest(self.token, hashed(token))


def hashed(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return sha256(token.encode()).digest()


def first_checkpoint(opened: CallOpened, dialect: str, now: float, token: str) -> Checkpoint:
    """Return the checkpoint of a new call.  `now`: Unix seconds by the clock of Redis; `token`: to resume it."""
    return Checkpoint(
        roles=opened.roles,
        dialect=dialect,
        started_at=now,
        config=opened.config,
        heard=(0,) * len(opened.roles),
        token=hashed(token) if token else b"",
        rejected_keywords=opened.rejected_keywords,
        rate=internal_rate(opened.rate),
    )


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Encode a checkpoint with its version, as MessagePack."""
    return msgspec.msgpack.encode((VERSION, checkpoint))


def decode_checkpoint(payload: bytes) -> Checkpoint | None:
    """Decode a checkpoint.  Returns None if the bytes are not a checkpoint of this version."""
    try:
        version, body = msgspec.msgpack.decode(payload, type=tuple[int, msgspec.Raw])
        return msgspec.msgpack.decode(body, type=Checkpoint) if version == VERSION else None
    except msgspec.MsgspecError:
        return None
