"""The decoder: reads tokens and gives the logits of the next one, with keys and values kept."""

# ruff: noqa: ANN401 - transformers is an optional extra: its models have no types here

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Logits = npt.NDArray[np.float32]
"""`[tokens, vocabulary]`: of the token after each one."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Keys and values of audio for all layers of the decoder, `[layers, heads, vectors, size]` each."""

    keys: Tensor = field(repr=False)
    values: Tensor = field(repr=False)

    @property
    def vectors(self) -> int:
        """Number of the encoder's vectors."""
        return self.keys.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return 2 * self.keys.numel() * self.keys.element_size()

    def first(self, vectors: int) -> "Heard":
        """Of the first `vectors` only, in memory of their own."""
        return Heard(self.keys[:, :, :vectors].clone(), self.values[:, :, :vectors].clone())

    def with_more(self, more: "Heard") -> "Heard":
        """These, and `more` behind them."""
        keys, values = (self.keys, more.keys), (self.values, more.values)
        return Heard(torch.cat(keys, 2), torch.cat(values, 2))


class StreamingDecoder:
    """A loaded decoder with its output layer.  It has no state of its own: any thread may use it."""

    def __init__(self, model: Any) -> None:
        """`model`: a loaded MoonshineStreamingForConditionalGeneration of transformers."""
        decoder = model.model.decoder
        self.parts, self.output = decoder, model.proj_out
        self.layers = list(decoder.layers)
        attention = self.layers[0].self_attn
        self.heads, self.size = int(model.config.num_attention_heads), int(attention.head_dim)
        self.scale = float(attention.scaling)

    @property
    def most_vectors(self) -> int:
        """The encoder's vectors that it has positions for."""
        return int(self.parts.pos_emb.num_embeddings)

    def silence(self) -> Heard:
        """Of no audio."""
        none = torch.zeros(len(self.layers), self.heads, 0, self.size)
        return Heard(none, none)

    @torch.inference_mode()
    def hear(self, vectors: Tensor, first: int) -> Heard:
        """Keys and values of the encoder's vectors (`[n, width]`), of which the first has the number `first`."""
        places = torch.arange(first, first + len(vectors))
        placed = self.parts.proj(vectors + self.parts.pos_emb(places))
        attentions = [layer.encoder_attn for layer in self.layers]
        return Heard(
            torch.stack([self.split(one.k_proj(placed)) for one in attentions]),
            torch.stack([self.split(one.v_proj(placed)) for one in attentions]),
        )

    def split(self, projected: Tensor) -> Tensor:
        """`[n, heads * size]` as `[heads, n, size]`."""
        return projected.view(len(projected), self.heads, self.size).transpose(0, 1)


class Reader:
    """A row of tokens that the decoder has read, for one utterance."""

    def __init__(self, decoder: StreamingDecoder, heard: Heard, most: int) -> None:
        """`most`: tokens that it will ever hold."""
        self._decoder, self._heard = decoder, heard
        shape = (len(decoder.layers), decoder.heads, most, decoder.size)
        self._keys, self._values = torch.zeros(shape), torch.zeros(shape)
        self.length = 0

    def keep(self, tokens: int) -> None:
        """Forget all but the first `tokens`."""
        self.length = min(self.length, tokens)

    @torch.inference_mode()
    def read(self, tokens: Sequence[int]) -> Logits:
        """Read more `tokens`.  Returns the logits of the token after each of them."""
        parts = self._decoder.parts
        hidden = parts.embed_tokens(torch.tensor(tokens))
        places = torch.arange(self.length, self.length + len(tokens))
        turn = tuple(one[0] for one in parts.rotary_emb(hidden, position_ids=places[None]))
        seen = torch.arange(self.length + len(tokens)) <= places[:, None]
        for number, layer in enumerate(self._decoder.layers):
            hidden = self._layer(number, layer, hidden, turn, seen)
        self.length += len(tokens)
        logits: Logits = self._decoder.output(parts.norm(hidden)).numpy()
        return logits

    def _layer(
        self, number: int, layer: Any, hidden: Tensor, turn: tuple[Tensor, ...], seen: Tensor
    ) -> Tensor:
        """One layer.  `turn`: cosine and sine of the rotary embedding; `seen`: tokens that each token looks at."""
        hidden = hidden + self._written(number, layer, layer.input_layernorm(hidden), turn, seen)
        queries = self._decoder.split(
            layer.encoder_attn.q_proj(layer.post_attention_layernorm(hidden))
        )
        heard = self._attended(queries, self._heard.keys[number], self._heard.values[number])
        hidden = hidden + layer.encoder_attn.o_proj(heard)
        outputs: Tensor = hidden + layer.mlp(layer.final_layernorm(hidden))
        return outputs

    def _written(
        self, number: int, layer: Any, normal: Tensor, turn: tuple[Tensor, ...], seen: Tensor
    ) -> Tensor:
        """The attention to the tokens before."""
        attention, split = layer.self_attn, self._decoder.split
        start, end = self.length, self.length + len(normal)
        self._keys[number, :, start:end] = _turned(split(attention.k_proj(normal)), *turn)
        self._values[number, :, start:end] = split(attention.v_proj(normal))
        looked = self._attended(
            _turned(split(attention.q_proj(normal)), *turn),
            self._keys[number, :, :end],
            self._values[number, :, :end],
            seen,
        )
        projected: Tensor = attention.o_proj(looked)
        return projected

    def _attended(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """`[n, heads * size]`."""
        looked = functional.scaled_dot_product_attention(
            queries[None], keys[None], values[None], attn_mask=mask, scale=self._decoder.scale
        )[0]
        return looked.transpose(0, 1).flatten(1)


def _turned(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """
    Rotary position embedding of the first part of each head, with neighbours as pairs.

    `heads`: `[heads, n, size]`; `cosine`, `sine`: `[n, part]`, each half the same, as transformers gives them.
    """
    part = cosine.shape[-1]
    cosine, sine = (one[:, : part // 2].repeat_interleave(2, -1) for one in (cosine, sine))
    turning, fixed = heads[..., :part], heads[..., part:]
    crossed = torch.stack((-turning[..., 1::2], turning[..., 0::2]), -1).flatten(-2)
    return torch.cat([turning * cosine + crossed * sine, fixed], -1)
