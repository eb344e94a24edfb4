"""A loaded model, divided into the parts that the engine and the benchmark use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from .acoustic.frontend import AcousticFrontend
from .text.cuda_graphs import stepper_for
from .text.decode import BatchDecoder, EagerStepper, Prefill, Stepper
from .text.llm import KeyValues, LanguageModel
from .text.prefill_graphs import PrefillGraphs
from .text.tokenizer import Tokens


@dataclass(frozen=True, slots=True)
class Prompts:
    """Builds prompts as embeddings for the language model."""

    tokens: Tokens
    embed: Callable[[Sequence[int]], torch.Tensor] = field(repr=False)
    """Embeds token ids, without the model's multiplier: [tokens, hidden]."""

    def prompt(
        self, audio: torch.Tensor, instruction: str, keywords: Sequence[str]
    ) -> torch.Tensor:
        """
        Template, audio, instruction and keywords as embeddings [tokens, hidden].

        `audio`: output of `AcousticFrontend.audio_tokens` for one clip.
        """
        with torch.inference_mode():
            before = self.embed(self.tokens.before_audio())
            behind = self.embed(self.tokens.behind_audio(instruction, keywords))
            return torch.cat([before, audio.to(before.dtype), behind])


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded model, divided into the parts that the engine and the benchmark use."""

    frontend: AcousticFrontend
    llm: LanguageModel = field(repr=False)
    prompts: Prompts = field(repr=False)
    end: frozenset[int]
    context: int
    """Most tokens of one segment: prompt, audio and text."""

    def decoder_factory(self, rows: int, capacity: int, *, graphs: bool) -> "DecoderFactory":
        """Allocate a cache for `rows` segments of `capacity` tokens, with the stepper for the device."""
        cache = self.llm.cache(rows, min(capacity, self.context))
        if graphs and self.llm.device.type == "cuda":
            prefill = PrefillGraphs(self.llm, cache)
            prefill.record_all()
            stepper = stepper_for(self.llm, cache, rows)
            return DecoderFactory(self.llm, cache, stepper, prefill.prefill)
        return DecoderFactory(self.llm, cache, EagerStepper(self.llm, cache))


@dataclass(frozen=True, slots=True)
class DecoderFactory:
    """
    Builds decoders that share one key-value cache.

    Several decoders may exist; only one of them may have running segments at a time.
    """

    llm: LanguageModel = field(repr=False)
    cache: KeyValues = field(repr=False)
    stepper: Stepper
    prefill: Prefill | None = None
    """Unset: that of the language model."""

    def decoder(self, end: frozenset[int], *, cut_loops: bool) -> BatchDecoder:
        """A decoder that stops at the tokens in `end`."""
        return BatchDecoder(
            self.llm, self.cache, self.stepper, end, cut_loops=cut_loops, prefill=self.prefill
        )

    def endless(self) -> BatchDecoder:
        """A decoder without end tokens, which writes up to the limit of each row: for timing and for the canary."""
        return self.decoder(frozenset(), cut_loops=False)
