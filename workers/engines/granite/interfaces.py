"""What the engine asks of its parts, and how it is told to behave."""

# ruff: noqa: D102 - the parts themselves say what their methods do

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..base import Hypothesis, Samples, Utterance
from .acoustic.block_cache import Window
from .acoustic.frontend import EncoderOutput
from .text.decode import Row, Written
from .text.prompts import PromptTable
from .text.stopping import most_tokens
from .text.tokenizer import Tokens


class Encoder(Protocol):
    """What the engine asks of the encoder: see Ears."""

    def whole(self, samples: Samples) -> torch.Tensor: ...
    def window(self, key: str, samples: Samples) -> Window: ...
    def encode(self, features: Sequence[torch.Tensor]) -> list[EncoderOutput]: ...
    def partial(self, window: Window, heard: EncoderOutput) -> Hypothesis: ...
    def audio_tokens(self, heard: Sequence[EncoderOutput]) -> list[torch.Tensor]: ...
    def close(self, key: str) -> None: ...


class TextDecoder(Protocol):
    """What the engine asks of the language model: see Decoder."""

    @property
    def running(self) -> int: ...
    @property
    def free(self) -> int: ...
    def admit(self, rows: Sequence[Row]) -> None: ...
    def step(self) -> list[Written]: ...
    def withdraw(self) -> list[tuple[Row, tuple[int, ...]]]: ...


class OtherPartials(Protocol):
    """Another model that makes partials, for the languages it knows."""

    languages: frozenset[str]

    def encode(self, utterances: Sequence[Utterance]) -> list[Hypothesis]: ...


class PromptBuilder(Protocol):
    """What the engine asks of tokenizer and embedding: see Prompts."""

    @property
    def tokens(self) -> Tokens: ...

    def prompt(
        self, audio: torch.Tensor, instruction: str, keywords: Sequence[str]
    ) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine behaves, besides what the model is."""

    table: PromptTable
    max_rows: int
    max_seconds: float
    keyword_tokens: int
    least_support: float
    draft_rows: Callable[[], int]
    """Up to so many segments at once, drafts are verified."""

    drafted: Callable[[int, int], None] = lambda _drafted, _accepted: None
    """Told of every draft: its length, and how much of it was accepted."""

    most: Callable[[int], int] = most_tokens
    """Longest text of so many samples, in tokens."""

    cut_loops: bool = True
    """Whether phrases that come round again and again, and have no place in the audio, are cut."""
