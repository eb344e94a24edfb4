"""The settings of a gateway."""

from pathlib import Path

from pydantic import Field, field_validator

from protocol.redaction.policy import SitePolicies, read_policies

from .audio.vad_choice import Vad
from .auth.settings import AuthSettings


class GatewaySettings(AuthSettings):
    """A gateway process: receives calls and sends transcripts back."""

    port: int = Field(8080, ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    http_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="port for recordings, server-sent events and announcements, on the same address; unset: none",
    )
    audiosocket_port: int | None = Field(
        None, ge=0, le=65_535, description="port for Asterisk's AudioSocket; unset: none"
    )
    audiosocket_host: str = Field(
        "127.0.0.1",
        description="address for AudioSocket, which has no TLS and no password: keep it private",
    )
    audiosocket_open: bool = Field(
        False,  # noqa: FBT003  # the default of a field
        description="take AudioSocket calls that were not announced; their UUID is the call id",
    )
    vad: Vad = Field(
        Vad.BOTH,
        description="who decides what is speech: webrtc+silero, webrtc or silero",
    )
    hangover_ms: int = Field(
        500,
        ge=100,
        le=5_000,
        description="silence that ends a segment, unless the call says otherwise",
    )
    max_segment_ms: int = Field(
        12_000, ge=2_000, le=14_000, description="a longer segment is cut at its quietest moment"
    )
    partial_every_ms: int = Field(
        500, ge=100, description="how often the text of an open segment is asked for"
    )
    audio_every_ms: int = Field(
        200, ge=20, le=250, description="how much audio is put into Redis at a time"
    )
    redaction_policy: Path | None = Field(
        None,
        description="file (TOML) that says which data is left out of the text, for the site and for tenants; unset:"
        " card data, on every call; read at start",
    )
    max_calls: int = Field(500, ge=1, description="calls at a time; more are refused with 503")
    max_message_bytes: int = Field(
        1_048_576, ge=1_024, description="longest message of a bridge; five may wait in memory"
    )
    max_bad_messages: int = Field(
        100,
        ge=1,
        description="messages in a row that cannot be understood until a call is ended; fewer are ignored and told",
    )
    strict_messages: bool = Field(
        False,  # noqa: FBT003  # the default of a field
        description="end the connection at the first message or option that cannot be understood: to test a bridge",
    )
    first_message_seconds: float = Field(
        10.0, gt=0, description="a connection that says nothing for so long is closed"
    )
    send_seconds: float = Field(
        3.0, gt=0, description="a reader that takes longer to read one message is cut off"
    )
    hold_seconds: float = Field(
        60.0,
        gt=0,
        description="how long the last finals of a call are waited for when it has ended",
    )
    resume_seconds: float = Field(
        15.0,
        ge=6,
        description="a call is kept open for so long for a bridge that is gone",
    )
    lost_seconds: float = Field(
        45.0,
        ge=6,
        description="a gateway whose heartbeat stops for so long is taken for dead: another one ends its calls; the"
        " heartbeat stops when the event loop has not turned for so long",
    )
    drain_seconds: float = Field(
        20.0, ge=0, description="how long calls may go on when the gateway is told to stop"
    )
    log_keep_seconds: int = Field(
        900, ge=1, description="how long the log of an ended call can still be read"
    )
    unstored_bytes: int = Field(
        64_000_000,
        ge=0,
        description="logs of ended calls kept in memory until they are stored; beyond it the oldest goes first",
    )
    store_wait_seconds: float = Field(
        5.0,
        ge=0,
        description="how long a gateway that is told to stop waits for the recorder to store calls that have ended",
    )
    memory_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="part of the memory limit of Redis (maxmemory) from which on new calls are refused",
    )

    @field_validator("redaction_policy")
    @classmethod
    def _check_policy(cls, path: Path | None) -> Path | None:
        """Raises ValueError if the file is missing or invalid: calls must not go on without their policy."""
        _policies_in(path)
        return path

    @property
    def redaction_policies(self) -> SitePolicies:
        """The policies in the file; the default without a file."""
        return _policies_in(self.redaction_policy)


def _policies_in(path: Path | None) -> SitePolicies:
    try:
        return read_policies(path.read_text(encoding="utf-8")) if path else SitePolicies()
    except OSError as exc:
        raise ValueError(f"the redaction policy cannot be read: {exc.strerror}") from exc
