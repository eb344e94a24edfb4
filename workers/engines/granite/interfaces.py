"""The interfaces that the engine needs of its parts, and its options."""

# ruff: noqa: D102 - the methods are documented in the implementing classes

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..base import Hypothesis, Samples, Utterance
from .acoustic.block_cache import Window
from .acoustic.frontend import EncoderOutput
from .text.decode import DecodeRow, Written
from .text.prompts import PromptTable
from .text.speculative import TrustRule
from .text.stopping import most_tokens
from .text.tokenizer import Tokens


class QueuedPass(Protocol):
    """A pass of the encoder that has been queued; implemented by EncoderPass."""

    @property
    def ready(self) -> bool: ...
    def read(self) -> list[EncoderOutput]: ...


class Encoder(Protocol):
    """The encoder; implemented by AcousticFrontend."""

    def wholes(self, clips: Sequence[Samples]) -> list[torch.Tensor]: ...
    def window(self, key: str, samples: Samples) -> Window: ...
    def encode(self, features: Sequence[torch.Tensor]) -> list[EncoderOutput]: ...
    def begin(self, features: Sequence[torch.Tensor]) -> QueuedPass: ...
    def partial(self, window: Window, heard: EncoderOutput) -> Hypothesis: ...
    def audio_tokens(self, heard: Sequence[EncoderOutput]) -> list[torch.Tensor]: ...
    def close(self, key: str) -> None: ...


class TextDecoder(Protocol):
    """The language model; implemented by Decoder."""

    @property
    def running(self) -> int: ...
    @property
    def free(self) -> int: ...
    def admit(self, rows: Sequence[DecodeRow]) -> None: ...
    def step(self) -> list[Written]: ...
    def withdraw(self) -> list[tuple[DecodeRow, tuple[int, ...]]]: ...


class OtherPartials(Protocol):
    """Another model that makes the partials of its languages; implemented by TurboPartials."""

    languages: frozenset[str]

    def encode(self, utterances: Sequence[Utterance]) -> list[Hypothesis]: ...


class PromptBuilder(Protocol):
    """Tokenizer and embedding; implemented by Prompts."""

    @property
    def tokens(self) -> Tokens: ...

    def prompt(
        self, audio: torch.Tensor, instruction: str, keywords: Sequence[str]
    ) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Options of the engine that do not depend on the model."""

    table: PromptTable
    max_rows: int
    max_seconds: float
    keyword_tokens: int
    least_support: float
    draft_rows: Callable[[], int]
    """Returns the largest number of simultaneous segments at which drafts are verified."""

    drafted: Callable[[int, int], None] = lambda _drafted, _accepted: None
    """Called for every finished text: length of its draft, and number of accepted tokens."""

    most: Callable[[int], int] = most_tokens
    """Returns the longest text for a number of samples at 16 kHz, in tokens."""

    trust: TrustRule | None = None
    """When a draft becomes the text although greedy decoding might write another one; None: never."""

    cut_loops: bool = True
    """Whether to cut repeated phrases for which the audio is too short."""
