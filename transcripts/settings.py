"""Settings of a recorder, and of the commands for stored calls."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocol.outgoing.destinations import Destinations, destinations_in
from protocol.settings import KeptAudioSettings

from .retention import Retention, read_tags


class RecorderSettings(KeptAudioSettings):
    """Settings of a recorder process, which stores transcripts."""

    store: str = Field(
        default="",
        description="SQLAlchemy URL of the database; empty is a SQLite file in the user's data folder",
    )
    batch: int = Field(
        default=1_000,
        ge=1,
        le=10_000,
        description="most events stored in one transaction; one transaction costs a disk sync",
    )
    block_ms: int = Field(
        default=1_000,
        ge=10,
        le=3_000,  # below the reply timeout of 4 s, or an idle read would look like a dead server
        description="longest wait for new entries in one read, in milliseconds",
    )
    erase_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        description="seconds between two erasures of deleted words from the files of SQLite; before SQLite 3.42"
        " one writes the whole full-text index anew",
    )
    audio_seconds: float = Field(
        default=2.0,
        gt=0,
        le=3_600,
        description="seconds between two searches for ended calls whose audio is kept and not finished",
    )
    audio_settle_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3_600,
        description="seconds from the first sight of such a call until its audio is finished: events that another"
        " recorder has left behind come later",
    )
    retention_days: float = Field(
        default=0.0,
        ge=0,
        le=100_000,
        description="days after which a call is deleted, counted from its start; 0 keeps it",
    )
    retention_tags: str = Field(
        default="",
        description="days for calls with a tag, such as vip=3650, test=1; of several tags the longest counts",
    )

    webhook_networks: str = Field(
        default="",
        description="networks such as 10.0.0.0/8, separated by commas, to which webhooks may be sent although they"
        " are private, also by http; others only by https to public addresses",
    )
    webhook_days: float = Field(
        default=7.0,
        gt=0,
        le=365,
        description="days for which deliveries of webhooks are listed and can be sent again",
    )
    webhook_disable_days: float = Field(
        default=5.0,
        gt=0,
        le=365,
        description="an endpoint of webhooks that accepts nothing for so many days is disabled",
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _ = (self.retention, self.webhook_destinations)  # ValueError when it cannot be read
        return self

    @property
    def retention(self) -> Retention:
        """How long calls are kept."""
        return Retention(self.retention_days or None, read_tags(self.retention_tags))

    @property
    def webhook_destinations(self) -> Destinations:
        """Where webhooks may be sent."""
        return destinations_in(self.webhook_networks)


class ClientSettings(BaseModel):
    """The commands for stored calls: `calls`, `show`, `search`, `export`, `tag`, `delete`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        default="",
        description="URL of the HTTP API, such as https://trunkline.example.com; empty uses the store on this"
        " machine (flag `--url`)",
    )
    key: str = Field(
        default="",
        repr=False,
        description="key for the API (flag `--key`, which also takes `@FILE`)",
    )
