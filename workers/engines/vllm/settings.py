"""Settings of the vLLM engine."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from ..granite.settings import table_named
from ..granite.text.prompts import GRANITE_4_0, PromptTable
from ..settings import EngineSettings


class VllmSettings(EngineSettings):
    """Settings of the vLLM engine: a client of servers that run Granite Speech."""

    url: str = Field(
        default="http://127.0.0.1:8000/v1",
        pattern=r"^https?://\S+$",
        description="base address of the server's OpenAI interface",
    )
    model: str | None = Field(
        default=None, description="name of the model on the server; unset: the only one it serves"
    )
    api_key: SecretStr | None = Field(
        default=None, description="key for the server, if it wants one"
    )
    prompts: Annotated[PromptTable, BeforeValidator(table_named)] = Field(
        default=GRANITE_4_0,
        description="`granite-4.0`, `granite-4.1`, `granite-4.1-raw` or `granite-5.0`: the generation of the model",
    )
    max_batch: int = Field(default=32, ge=1, le=512, description="requests at the same time")
    max_seconds: float = Field(default=30.0, gt=0, le=120, description="longest segment")
    max_keywords: int = Field(default=50, ge=1, le=500, description="most keywords in a prompt")
    timeout_seconds: float = Field(
        default=20.0, gt=0, description="limit of one request; after it the request is sent again"
    )
    give_up_seconds: float = Field(
        default=60.0,
        gt=0,
        description="how long a segment is tried while the server fails; then the worker starts again",
    )
    canary_clip: Path | None = Field(
        default=None,
        description="a recording that is sent before the worker reports ready, with `canary_text`",
    )
    canary_text: str = Field(
        default="", description="what the recording says; at most half of the words may differ"
    )

    encoder: str | None = Field(
        default=None,
        description="a folder or hub id of the served model: its encoder runs in the worker, and the server (with"
        " `--enable-prompt-embeds`) gets embeddings; unset: the server gets audio",
    )
    encoder_revision: str | None = Field(
        default=None,
        description="the commit of a hub id; unset: the pinned commit of a model of IBM",
    )
    encoder_manifest: Path | None = Field(
        default=None, description="a file as `sha256sum *` prints it; see the Granite engine"
    )
    encoder_cache: Path | None = Field(
        default=None, description="folder for downloaded models; unset: the cache of the hub client"
    )
    encoder_device: str = Field(
        default="auto",
        description="`cpu`, `cuda`, `cuda:1` ...; auto uses the first GPU, or the CPU if there is none",
    )
    keyword_tokens: int = Field(
        default=200, ge=1, description="with `encoder`: most keyword tokens in the prompt"
    )
    least_support: float = Field(
        default=1 / 3,
        ge=0,
        le=1,
        description="with `encoder`: share of the letters of a keyword that the CTC head must have recognised",
    )
    cut_loops: bool = Field(
        default=True, description="with `encoder`: cut repetition loops out of the text"
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"settings": self}
