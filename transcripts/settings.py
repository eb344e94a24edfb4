"""What can be set of a recorder."""

from pydantic import BaseModel, ConfigDict, Field


class RecorderSettings(BaseModel):
    """A recorder process: stores what was transcribed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str = Field(
        "",
        description="SQLAlchemy URL of the database; empty is a SQLite file in the user's data folder",
    )
