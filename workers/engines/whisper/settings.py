"""Settings of the Whisper engine."""

from pathlib import Path

from pydantic import Field

from ..settings import EngineSettings


class WhisperSettings(EngineSettings):
    """Settings of the Whisper engine: other languages than English on a CPU."""

    model: Path | None = Field(
        default=None,
        description="a folder with weights in CTranslate2's format; unset fetches whisper-base",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"folder": self.model}
