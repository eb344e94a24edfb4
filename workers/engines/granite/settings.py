"""What a site may choose about the Granite engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from .prompts import TABLES, PromptTable, table_for

DEFAULT_MODEL = "ibm-granite/granite-4.0-1b-speech"


class Drafts(StrEnum):
    """When the CTC text is verified as a draft.  The text is the same in all cases."""

    MEASURED = "measured"
    """Where this machine has shown, during warm-up, that it pays."""

    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class GraniteSettings:
    """One Granite engine."""

    model: str = DEFAULT_MODEL
    """A local folder, or a hub id."""

    revision: str | None = None
    """The commit of a hub id, 40 hexadecimal digits; required for hub ids, because names can be moved."""

    manifest: Path | None = None
    """Lines of `sha256sum` for the files of the model; None trusts the folder or the pinned commit."""

    cache: Path | None = None
    """Where fetched models are kept; None is the hub client's own place."""

    prompts: PromptTable | None = None
    """None goes by the name of the model."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1` ...; auto takes the first GPU if there is one."""

    max_batch: int | None = None
    """Segments that are written at once; None is 64 on a GPU and 8 on a CPU."""

    max_seconds: float = 30.0
    """Longest segment: what the model was trained on, and half of what its context holds."""

    keyword_tokens: int = 200
    """Room for keywords in the prompt.  Longer lists cost time and put names in that nobody said."""

    drafts: Drafts = Drafts.MEASURED
    cut_loops: bool = True
    least_support: float = 1 / 3
    """Share of a keyword's letters that the CTC head must have heard; below it the keyword is suspect.
    Not yet measured with the real weights."""

    graphs: bool = True
    """CUDA graphs for the decode steps; there are none on a CPU."""

    partial_model: str | None = None
    """Another model for the partials: a folder or hub id of granite-speech-5.0-470m-turboctc."""

    partial_revision: str | None = None
    canary: bool = field(default=True)
    """Decode a made-up segment before saying ready."""

    @property
    def table(self) -> PromptTable:
        """How the model is asked."""
        return self.prompts or table_for(self.model)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "GraniteSettings":
        """
        Read `TRUNKLINE_GRANITE_*`; what is not set keeps its default.  Raises ValueError naming the variable.

        Call it at the edge, with `os.environ`.
        """
        said = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and value
        }
        if strange := set(said) - set(_READERS):
            raise ValueError(f"{PREFIX}{min(strange).upper()} is not a setting")
        chosen: dict[str, Any] = {}
        for name, value in said.items():
            try:
                chosen[name] = _READERS[name](value)
            except (ValueError, KeyError) as exc:
                raise ValueError(f"{PREFIX}{name.upper()} cannot be {value!r}") from exc
        return cls(**chosen)


PREFIX = "TRUNKLINE_GRANITE_"


def _yes(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
        text.lower()
    ]


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise ValueError(text)
    return count


_READERS: dict[str, Callable[[str], Any]] = {
    "model": str, "revision": str, "manifest": Path, "cache": Path, "prompts": TABLES.__getitem__,
    "device": str, "max_batch": _count, "max_seconds": float, "keyword_tokens": _count, "drafts": Drafts,
    "cut_loops": _yes, "least_support": float, "graphs": _yes, "partial_model": str,
    "partial_revision": str, "canary": _yes,
}  # fmt: skip
