"""Prompts as embeddings, from the embedding table of a model alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn import functional

from ...granite.text.tokenizer import Tokens


@dataclass(frozen=True, slots=True)
class TablePrompts:
    """Builds prompts as embeddings, like Granite's `Prompts`, without the layers of the language model."""

    tokens: Tokens
    table: torch.Tensor = field(repr=False)
    """The embedding of each token, [vocabulary, hidden]."""

    def prompt(
        self, audio: torch.Tensor, instruction: str, keywords: Sequence[str]
    ) -> torch.Tensor:
        """
        Template, audio, instruction and keywords as embeddings [tokens, hidden].

        `audio`: output of `AcousticFrontend.audio_tokens` for one clip.
        """
        with torch.inference_mode():
            before = self._embedded(self.tokens.before_audio())
            behind = self._embedded(self.tokens.behind_audio(instruction, keywords))
            return torch.cat([before, audio.to(before.dtype), behind])

    def _embedded(self, ids: Sequence[int]) -> torch.Tensor:
        return functional.embedding(torch.tensor(ids, device=self.table.device), self.table)
