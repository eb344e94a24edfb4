"""Settings of the Whisper engine."""

from pathlib import Path

from pydantic import Field

from ..settings import EngineSettings


class WhisperSettings(EngineSettings):
    """Settings of the Whisper engine, for many languages on a CPU."""

    model: Path | None = Field(
        default=None,
        description="folder with weights in CTranslate2 format; unset: whisper-base is downloaded",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"folder": self.model}
