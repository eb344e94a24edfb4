"""Settings of the Nemotron engine."""

from enum import IntEnum, StrEnum
from pathlib import Path

from pydantic import Field

from ..settings import EngineSettings
from .models import DEFAULT_MODEL


class ChunkLength(IntEnum):
    """Milliseconds that the encoder takes at a time: one frame, and those that each frame may look ahead."""

    MS_80 = 80
    MS_160 = 160
    MS_320 = 320
    MS_560 = 560
    MS_1120 = 1120

    @property
    def lookahead(self) -> int:
        """The frames of 80 ms that the first frame of a chunk looks ahead."""
        return int(self) // 80 - 1


class Precision(StrEnum):
    """The matrices of the encoder."""

    FULL = "full"
    """float32."""

    BF16 = "bf16"


class NemotronSettings(EngineSettings):
    """Settings of the Nemotron engine: NVIDIA Nemotron 3.5 ASR streaming, many languages on a CPU."""

    model: str = Field(
        default=DEFAULT_MODEL,
        description="a folder as transformers saves it, or a hub id. The default is downloaded at a pinned commit;"
        " its licence is OpenMDW-1.1",
    )
    revision: str | None = Field(
        default=None,
        description="the commit of a hub id; unset: the pinned commit of the vendor's model",
    )
    manifest: Path | None = Field(
        default=None, description="a file as `sha256sum *` prints it; see the Granite engine"
    )
    cache: Path | None = Field(
        default=None, description="folder for downloaded models; unset: the cache of the hub client"
    )
    chunk_ms: ChunkLength = Field(
        default=ChunkLength.MS_560,
        description="audio that the encoder takes at a time; a model has a list of those it was trained with."
        " 560 is near the interval of partials, so that most of them encode one chunk; shorter chunks hear less of"
        " what follows a word and cost more passes",
    )
    provisional: bool = Field(
        default=True,
        description="partials show what follows the last whole chunk, decoded provisionally; without it they show"
        " it when the chunk is complete, for about half of the CPU time",
    )
    precision: Precision = Field(
        default=Precision.FULL,
        description="matrices of the encoder: `full` (float32), or `bf16` (half of the memory; faster on processors"
        " with AMX or AVX-512 BF16, slower on others; may change transcripts)",
    )
    locales: str = Field(
        default="",
        description="variants of languages, with commas between them: `pt-BR,en-GB`; unset: the model's own prompt"
        " for the language, or else its first variant",
    )
    open_utterances: int = Field(
        default=32,
        ge=1,
        description="utterances whose state is kept between two partials; each takes about 14 MB with the vendor's"
        " model. More than these are encoded from their beginning, with the same text",
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="threads of torch for one utterance; `worker.threads` is the number of utterances at a time",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"settings": self}
