"""Settings of the engines: one class for each engine, each a section of the configuration."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EngineSettings(BaseModel):
    """Base of the engines' settings; used as it is for an engine without settings of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:  # noqa: ANN401  # before validation it may be anything
        """An empty text leaves the default, because Compose files pass `${NAME:-}`."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value != ""}

    def options(self) -> dict[str, object]:
        """The keyword arguments for the engine's `load`."""
        return {}


class WhisperSettings(EngineSettings):
    """Settings of the Whisper engine: other languages than English on a CPU."""

    model: Path | None = Field(
        default=None,
        description="folder with weights in CTranslate2 format; unset: whisper-base is downloaded",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"folder": self.model}
