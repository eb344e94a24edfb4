"""What can be set of a recorder."""

from pydantic import Field

from protocol.settings import StatusSettings


class RecorderSettings(StatusSettings):
    """A recorder process: stores what was transcribed."""

    store: str = Field(
        default="",
        description="SQLAlchemy URL of the database; empty is a SQLite file in the user's data folder",
    )
    batch: int = Field(
        default=256,
        ge=1,
        le=10_000,
        description="most events stored in one transaction; one transaction costs a disk sync",
    )
    block_ms: int = Field(
        default=1_000,
        ge=10,
        le=3_000,  # a reply is waited for 4 s, and must not be mistaken for a dead server
        description="how long to wait for news in one read, in milliseconds",
    )
