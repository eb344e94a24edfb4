"""Settings of a recorder."""

from pydantic import Field

from protocol.settings import StatusSettings


class RecorderSettings(StatusSettings):
    """Settings of a recorder process, which stores transcripts."""

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
        le=3_000,  # below the reply timeout of 4 s, or an idle read would look like a dead server
        description="longest wait for new entries in one read, in milliseconds",
    )
