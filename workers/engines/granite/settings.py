"""Settings of the Granite engine."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from ..settings import EngineSettings
from .text.precision import Precision
from .text.prompts import TABLES, PromptTable

DEFAULT_MODEL = "ibm-granite/granite-4.0-1b-speech"


class Drafts(StrEnum):
    """When the CTC text is verified as a draft.  The final text is the same in all cases but the last."""

    MEASURED = "measured"
    """Only where the measurement at warm-up showed that it saves time."""

    NEVER = "never"
    ALWAYS = "always"
    TRUST = "trust"
    """
    Accept the CTC text without the language model if it is certain, and drafts by their probability.

    The only one of the four that changes transcripts.
    """


def table_named(value: object) -> object:
    """A prompt table by its name.  Raises ValueError, with the known names, for another text."""
    if not isinstance(value, str):
        return value
    if value not in TABLES:
        raise ValueError(f"there are {', '.join(TABLES)}")
    return TABLES[value]


class GraniteSettings(EngineSettings):
    """Settings of the Granite engine: IBM Granite Speech on a GPU."""

    model: str = Field(default=DEFAULT_MODEL, description="a folder, or a hub id")
    revision: str | None = Field(
        default=None,
        description="the commit of a hub id, 40 hexadecimal digits; unset is the pinned commit of a model of IBM,"
        " other hub ids need it, because the owner of a name can move branches and tags",
    )
    manifest: Path | None = Field(
        default=None,
        description="a file as `sha256sum *` prints it: every file that may be read must stand in it; unset trusts"
        " a folder, and compares the pinned 4.0 model with the hashes that come with Trunkline",
    )
    cache: Path | None = Field(
        default=None,
        description="folder for downloaded models; unset: the cache of the hub client",
    )
    prompts: Annotated[PromptTable | None, BeforeValidator(table_named)] = Field(
        default=None,
        description=(
            "`granite-4.0`, `granite-4.1` (punctuated), `granite-4.1-raw` or `granite-5.0`;"
            " unset: read from the files of the model"
        ),
    )
    device: str = Field(
        default="auto",
        description="`cpu`, `cuda`, `cuda:1` ...; auto uses the first GPU, or the CPU if there is none",
    )
    max_batch: int | None = Field(
        default=None,
        ge=1,
        description="segments decoded at the same time; unset: 64 on a GPU and 8 on a CPU. Each takes about"
        " 60 MB of GPU memory",
    )
    max_seconds: float = Field(
        default=30.0,
        gt=0,
        description="longest segment: the length the model was trained on, and half of what its context holds",
    )
    keyword_tokens: int = Field(
        default=200,
        ge=1,
        description="most keyword tokens in the prompt; longer lists cost time and insert names that were not said",
    )
    drafts: Drafts = Field(
        default=Drafts.MEASURED,
        description=(
            "`measured`, `always` or `never`: whether CTC text is used as a draft for speculative"
            " decoding; the transcript is the same. `trust` is faster and changes transcripts: `bench/wer.py`"
            " measures its price"
        ),
    )
    trust_entropy: float = Field(
        default=0.7,
        ge=0,
        description="with `drafts = trust`: highest entropy of a CTC frame, in nats, for a text without the"
        " language model",
    )
    trust_probability: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="with `drafts = trust`: least probability of a draft token in the language model",
    )
    cut_loops: bool = Field(default=True, description="cut repetition loops out of the text")
    least_support: float = Field(
        default=1 / 3,
        ge=0,
        le=1,
        description=(
            "share of the letters of a keyword that the CTC head must have recognised; below it"
            " the keyword is suspect"
        ),
    )
    graphs: bool = Field(
        default=True, description="CUDA graphs for decode steps, short prompts and short audio"
    )
    precision: Precision = Field(
        default=Precision.FULL,
        description="matrices of the language model: `full` (bf16 on a GPU, fp32 on a CPU); `fp8` (a GPU that has"
        " it; halves their memory, changes transcripts); `fp8-emulated` (the rounding of `fp8` on any device:"
        " to see which transcripts change)",
    )
    partial_model: str | None = Field(
        default=None,
        description="separate model for English partials: a folder or hub id of granite-speech-5.0-470m-turboctc",
    )
    partial_revision: str | None = Field(
        default=None, description="commit of the hub id of turbo_ctc"
    )
    canary: bool = Field(
        default=True,
        description="before the worker reports ready, decode a synthetic segment and compare known answers of the"
        " model",
    )
    canary_answers: Path | None = Field(
        default=None,
        description="a JSON file with known answers of the model; unset: those published for the pinned 4.0 model",
    )

    def options(self) -> dict[str, object]:
        """See EngineSettings."""
        return {"settings": self}
