"""Settings of the MLX engine."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from ..granite.settings import DEFAULT_MODEL, table_named
from ..granite.text.prompts import PromptTable
from ..settings import EngineSettings


class MlxSettings(EngineSettings):
    """Settings of the MLX engine: IBM Granite Speech on Apple Silicon."""

    model: str = Field(default=DEFAULT_MODEL, description="a folder, or a hub id")
    revision: str | None = Field(
        default=None,
        description="the commit of a hub id; unset: the pinned commit of a model of IBM",
    )
    manifest: Path | None = Field(
        default=None, description="a file as `sha256sum *` prints it; see the Granite engine"
    )
    cache: Path | None = Field(
        default=None, description="folder for downloaded models; unset: the cache of the hub client"
    )
    prompts: Annotated[PromptTable | None, BeforeValidator(table_named)] = Field(
        default=None,
        description="`granite-4.0`, `granite-4.1`, `granite-4.1-raw` or `granite-5.0`; unset: read from the files",
    )
    max_seconds: float = Field(default=30.0, gt=0, le=120, description="longest segment")
    max_keywords: int = Field(default=50, ge=1, le=500, description="most keywords in a prompt")
    speculative: bool = Field(
        default=False,
        description="verify drafts of the model's second CTC head; needs `out_llm.safetensors` in the folder",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"settings": self}
