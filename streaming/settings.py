"""The settings of a gateway."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from protocol.calls.call import MOST_SPEAKERS, RoleRule
from protocol.calls.speaker_roles import role_rule
from protocol.kept_audio.policy import AudioPolicy, read_audio_policy
from protocol.outgoing.destinations import Destinations, destinations_in
from protocol.redaction.policy import SitePolicies, read_policies
from protocol.settings import KeptAudioSettings

from .audio.endpointing_settings import Endpointing
from .audio.voice_activity.vad_choice import Vad
from .auth.settings import AuthSettings


class GatewaySettings(AuthSettings, KeptAudioSettings):
    """A gateway process: receives calls and sends transcripts back."""

    port: int = Field(8080, ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="number of gateway processes on the same ports, at most one for each core; a parent restarts"
        " those that die. max_calls, max_listeners and cpu_limit apply to each process",
    )
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
        description="accept AudioSocket calls that were not announced; their UUID is the call id",
    )
    vad: Vad = Field(
        Vad.BOTH,
        description="voice activity detector: webrtc+silero, webrtc or silero",
    )
    compiled_audio: bool = Field(
        True,  # noqa: FBT003  # the default of a field
        description="use the compiled step of the audio path where trunkline-native is installed; the results are"
        " the same without it",
    )
    hangover_ms: int = Field(
        500,
        ge=100,
        le=5_000,
        description="silence that ends a segment, unless the call sets its own value",
    )
    doubtful_hangover_ms: int = Field(
        1_200,
        ge=0,
        le=5_000,
        description="silence that ends a segment whose draft has an improbable last word, to wait for more speech;"
        " not in a call that sets its own hang-over; at most `hangover_ms`: off",
    )
    draft_after_ms: int = Field(
        240,
        ge=0,
        le=1_000,
        description="silence after which the final of a segment is prepared, so that it is there when the hang-over"
        " ends; the work is in vain if speech goes on; at least the hang-over, or 0: off",
    )
    max_segment_ms: int = Field(
        12_000, ge=2_000, le=14_000, description="a longer segment is cut at its quietest moment"
    )
    keep_background: bool = Field(
        False,  # noqa: FBT003  # the default of a field
        description="transcribe background speech and crosstalk too; their finals have the flag background or"
        " crosstalk. Otherwise their words are left out",
    )
    partial_every_ms: int = Field(
        500,
        ge=100,
        description="interval at which a partial of an open segment is requested; in a segment of more than six"
        " intervals, a sixth of its length",
    )
    audio_every_ms: int = Field(
        500,
        ge=20,
        le=500,
        description="amount of audio of an open segment that is written to Redis at a time; a request for a partial"
        " takes with it what there is",
    )
    max_calls: int = Field(
        500, ge=1, description="most simultaneous calls; more are refused with 503"
    )
    cpu_limit: float = Field(
        0.85,
        gt=0,
        le=1,
        description="share of the time for which the event loop may be busy, calls that have just begun included;"
        " above it new calls are refused with 503, before calls in progress suffer; 1: no limit",
    )
    redaction_policy: Path | None = Field(
        None,
        description="file (TOML) that says which data is left out of the text, for the site and for tenants; unset:"
        " card data, on every call; read at start",
    )
    mixed_speakers: int = Field(
        0,
        ge=0,
        le=MOST_SPEAKERS,
        description="most speakers that are told apart on a channel with the role `mixed`, if the client does not"
        " say; 0: only where the client asks. Needs `trunkline fetch speakers` where the workers run",
    )
    mixed_roles: str = Field(
        "greeting",
        description="roles of these speakers, if the client does not say: greeting (the agent is known by the"
        " phrases that open a call), inbound (the agent speaks first), outbound (the customer speaks first), none,"
        " or roles in the order of first speech such as agent,customer",
    )
    keep_audio: str = Field(
        "",
        description="tenants whose calls' audio is kept, separated by commas; * is all, and *,-NAME all but one;"
        " unset: none. Needs audio_folder and audio_key_file",
    )
    max_message_bytes: int = Field(
        1_048_576, ge=1_024, description="longest message of a bridge; five may wait in memory"
    )
    max_bad_messages: int = Field(
        100,
        ge=1,
        description=(
            "invalid messages in a row after which a call is ended; up to"
            " then each one is ignored with a warning"
        ),
    )
    strict_messages: bool = Field(
        False,  # noqa: FBT003  # the default of a field
        description="end the connection at the first invalid message or option; for the test of a bridge",
    )
    first_message_seconds: float = Field(
        10.0,
        gt=0,
        description="time within which a connection must send its first message; later it is closed",
    )
    send_seconds: float = Field(
        3.0,
        gt=0,
        description="longest time to send one message to a bridge or listener; a slower one is disconnected",
    )
    hold_seconds: float = Field(
        60.0,
        gt=0,
        description="longest wait for the last finals after the end of a call",
    )
    resume_seconds: float = Field(
        15.0,
        ge=6,
        description="time for which a call stays open after its bridge has disconnected",
    )
    lost_seconds: float = Field(
        45.0,
        ge=6,
        description=(
            "time without heartbeat after which a gateway counts as"
            " failed and another gateway ends its calls; the heartbeat stops when the event loop"
            " is blocked for this time"
        ),
    )
    drain_seconds: float = Field(
        20.0,
        ge=0,
        description="longest time for which calls continue after the gateway was told to stop",
    )
    log_keep_seconds: int = Field(
        900, ge=1, description="time for which the log of an ended call can still be read"
    )
    unstored_bytes: int = Field(
        64_000_000,
        ge=0,
        description=(
            "logs of ended calls kept in memory until they are stored;"
            " above this size the oldest log is dropped first"
        ),
    )
    store_wait_seconds: float = Field(
        5.0,
        ge=0,
        description="longest wait of a stopping gateway for the recorder to store calls that have ended",
    )
    memory_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="share of the memory limit of Redis (maxmemory) above which new calls are refused",
    )

    callback_networks: str = Field(
        "",
        description=(
            "networks such as 10.0.0.0/8, separated by commas, to which callbacks of"
            " background jobs may be sent although they are private, also by http; others only by https to public"
            " addresses"
        ),
    )

    @field_validator("callback_networks")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        """Raises ValueError if it is no list of networks."""
        destinations_in(text)
        return text

    @field_validator("mixed_roles")
    @classmethod
    def _check_roles(cls, text: str) -> str:
        """Raises ValueError if it names no rule."""
        role_rule(text)
        return text

    @field_validator("redaction_policy")
    @classmethod
    def _check_policy(cls, path: Path | None) -> Path | None:
        """Raises ValueError if the file is missing or invalid: calls must not go on without their policy."""
        _policies_in(path)
        return path

    @model_validator(mode="after")
    def _check_kept_audio(self) -> Self:
        """Raises ValueError if `keep_audio` is no list of tenants, or if audio has no place or no key."""
        if self.audio_policy.keeps_any and not self.audio_folder:
            raise ValueError("keep_audio needs audio_folder and audio_key_file")
        return self

    @property
    def endpointing(self) -> Endpointing:
        """How live calls are cut into segments."""
        return Endpointing(
            hangover_ms=self.hangover_ms,
            doubtful_hangover_ms=self.doubtful_hangover_ms,
            draft_ms=self.draft_after_ms,
            maximum_ms=self.max_segment_ms,
        )

    @property
    def role_rule(self) -> RoleRule:
        """How the speakers of mixed channels get roles."""
        return role_rule(self.mixed_roles)

    @property
    def audio_policy(self) -> AudioPolicy:
        """Whose audio is kept."""
        return read_audio_policy(self.keep_audio)

    @property
    def callback_destinations(self) -> Destinations:
        """Where callbacks may be sent."""
        return destinations_in(self.callback_networks)

    @property
    def redaction_policies(self) -> SitePolicies:
        """The policies in the file; the default without a file."""
        return _policies_in(self.redaction_policy)


def _policies_in(path: Path | None) -> SitePolicies:
    try:
        return read_policies(path.read_text(encoding="utf-8")) if path else SitePolicies()
    except OSError as exc:
        raise ValueError(f"the redaction policy cannot be read: {exc.strerror}") from exc
