"""A loaded model in the pieces that the engine and the bench put together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from .acoustic.frontend import AcousticFrontend
from .text.cuda_graphs import GraphStepper
from .text.decode import Decoder, EagerStepper, Stepper
from .text.llm import KeyValues, LanguageModel
from .text.tokenizer import Tokens


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts as the language model reads them."""

    tokens: Tokens
    model: LanguageModel = field(repr=False)

    def prompt(
        self, audio: torch.Tensor, instruction: str, keywords: Sequence[str]
    ) -> torch.Tensor:
        """Template, audio, instruction and keywords as embeddings [tokens, hidden]."""
        with torch.inference_mode():
            before = self.model.embed(self.tokens.before_audio())
            behind = self.model.embed(self.tokens.behind_audio(instruction, keywords))
            return torch.cat([before, audio.to(before.dtype), behind])


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded model, in the pieces that the engine and the bench put together."""

    frontend: AcousticFrontend
    llm: LanguageModel = field(repr=False)
    prompts: Prompts = field(repr=False)
    end: frozenset[int]
    context: int
    """Most tokens of one segment."""

    def decoder_factory(self, rows: int, capacity: int, *, graphs: bool) -> "DecoderFactory":
        """Room for `rows` segments of `capacity` tokens, with the stepper that fits the device."""
        cache = self.llm.cache(rows, min(capacity, self.context))
        if graphs and self.llm.device.type == "cuda":
            recorded = GraphStepper(self.llm, cache)
            recorded.record_all(rows)
            return DecoderFactory(self.llm, cache, recorded)
        return DecoderFactory(self.llm, cache, EagerStepper(self.llm, cache))


@dataclass(frozen=True, slots=True)
class DecoderFactory:
    """The cache and how one writes into it; decoders can share a desk as long as only one runs."""

    llm: LanguageModel = field(repr=False)
    cache: KeyValues = field(repr=False)
    stepper: Stepper

    def decoder(self, end: frozenset[int], *, cut_loops: bool) -> Decoder:
        """A decoder that stops at the tokens in `end`."""
        return Decoder(self.llm, self.cache, self.stepper, end, cut_loops=cut_loops)

    def endless(self) -> Decoder:
        """A decoder that writes as much as it is let: to measure, and to see whether numbers come out."""
        return self.decoder(frozenset(), cut_loops=False)
