"""What a language model has answered about a call, as a value."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AnalysisState(StrEnum):
    """How far the analysis of a call is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Given up.  It can be asked for again."""

    SKIPPED = "skipped"
    """There was nothing to analyse."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a call the model has read."""

    segments: int = 0
    """Segments with words."""

    segments_read: int = 0
    parts: int = 1
    """Requests into which a long call was divided; their notes were read together then."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A valid answer.  `answer`: JSON by the schema of the template."""

    answer: dict[str, Any]
    model: str
    template: str
    """Version of the template with the questions."""

    coverage: Coverage = field(default_factory=Coverage)
    prompt_tokens: int = 0
    answer_tokens: int = 0
    elapsed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of a call.  `answered`: the last valid answer, also while a new one is made."""

    state: AnalysisState
    attempts: int
    reason: str
    """Why the last attempt failed; without content of the call."""

    finished_at: float | None
    """Unix seconds."""

    answered: Answered | None


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """A call that may be analysed now.  `call`: its number; `begun_at`: the name of the attempt, once claimed."""

    call: int
    call_id: str
    tenant: str
    attempts: int
    due_at: float
    begun_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelServer:
    """Where the model is.  `url`: of the API, such as `http://127.0.0.1:11434/v1`."""

    url: str
    model: str
    key: str
    seconds: float = 120.0
    longest_tokens: int = 1_000

    def __repr__(self) -> str:
        """Without the key."""
        return f"Server({self.url!r}, {self.model!r})"
