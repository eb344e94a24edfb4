"""Settings of the engine for Moonshine's streaming models."""

from pathlib import Path

from pydantic import Field

from ..settings import EngineSettings
from .models import DEFAULT_MODEL


class MoonshineStreamingSettings(EngineSettings):
    """Settings of the engine for Moonshine's streaming models, on a CPU."""

    model: str = Field(default=DEFAULT_MODEL, description="a folder, or a hub id")
    revision: str | None = Field(
        default=None,
        description="the commit of a hub id, 40 hexadecimal digits; unset is the pinned commit of a model of"
        " UsefulSensors, other hub ids need it",
    )
    manifest: Path | None = Field(
        default=None,
        description="a file as `sha256sum *` prints it: every file that may be read must stand in it; unset: the"
        " files are not compared with known hashes",
    )
    cache: Path | None = Field(
        default=None,
        description="folder for downloaded models; unset: the cache of the hub client",
    )
    language: str = Field(
        default="en",
        pattern="^[a-z]{2,3}$",
        description="the language of the model, ISO 639: its files do not name it",
    )
    max_seconds: float = Field(
        default=30.0,
        ge=1,
        le=60,
        description="longest segment; less if the model has positions for less",
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="threads of torch for one segment; a worker has a thread for each core already",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"settings": self}
