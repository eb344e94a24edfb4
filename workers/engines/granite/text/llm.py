"""
The language model over a cache with one slot for each running segment.

Rows of the cache keep their own lengths, so a segment joins or leaves without touching the others.  Prompts of
different lengths lie packed behind one another and are padded only inside attention, at the right: behind a
causal mask nobody looks there.  (Left padding, which `generate()` needs, would buy nothing here: positions are
per row.)  The modules and the weights are the model's own.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their modules have no types here

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from ..compat import Anatomy


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Static cache: [layers, slots, heads, capacity, head size], twice."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def slots(self) -> int:
        """How many segments can run at once."""
        return int(self.keys.shape[1])

    @property
    def capacity(self) -> int:
        """Most tokens of one segment: prompt, audio and text."""
        return int(self.keys.shape[3])

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one slot to another."""
        for half in (self.keys, self.values):
            half[:, target, :, :length] = half[:, source, :, :length]


class LanguageModel:
    """Prefill and single steps; stateless but for the cache that it is given."""

    def __init__(self, model: Anatomy) -> None:
        self._body = model.decoder
        self._head = model.head
        text = model.config.text_config
        self.logits_scaling = float(text.logits_scaling)
        """transformers does not divide by it in this class; probabilities are wrong without."""
        self.positions = int(text.max_position_embeddings)
        self._text = text
        self._audio = int(model.config.audio_token_id)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self._head.weight.device
        return device

    def cache(self, slots: int, capacity: int) -> KeyValues:
        """An empty cache."""
        attention = self._body.layers[0].self_attn
        shape = (
            len(self._body.layers), slots, int(self._text.num_key_value_heads), capacity, int(attention.head_dim),
        )  # fmt: skip
        keys, values = (
            torch.zeros(shape, dtype=self._head.weight.dtype, device=self.device) for _ in range(2)
        )
        return KeyValues(keys, values)

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """[tokens, hidden], without the embedding multiplier: audio gets the same one later."""
        return self._embedded(torch.tensor(list(ids), dtype=torch.long, device=self.device))

    def prefill(
        self, rows: Sequence[torch.Tensor], slots: Sequence[int], cache: KeyValues
    ) -> list[torch.Tensor]:
        """Write `rows` [tokens, hidden] into `slots`, from the first column on; last hidden states of each."""
        lengths = [len(row) for row in rows]
        hidden = torch.cat(list(rows)) * self._body.embedding_multiplier
        columns = torch.cat([torch.arange(length) for length in lengths])
        owners = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(lengths))
        places = (owners.to(self.device), columns.to(self.device), max(lengths))
        owned = torch.tensor(list(slots), device=self.device)[places[0]]
        turn = self._body.rotary_emb(hidden, places[1].unsqueeze(0))
        for number, layer in enumerate(self._body.layers):
            query, key, value = _project(layer, hidden, turn)
            cache.keys[number][owned, :, places[1]] = key
            cache.values[number][owned, :, places[1]] = value
            heard = _attend_prompt(layer.self_attn, (query, key, value), len(rows), places)
            hidden = _finish(layer, hidden, heard)
        return list(self._body.norm(hidden).split(lengths))

    def step(
        self, tokens: torch.Tensor, positions: torch.Tensor, cache: KeyValues, width: int
    ) -> torch.Tensor:
        """One token [rows] at `positions` [rows] for the first slots; hidden states.  Looks at `width` columns."""
        rows = tokens.shape[0]
        hidden = self._embedded(tokens) * self._body.embedding_multiplier
        turn = self._body.rotary_emb(hidden, positions.unsqueeze(0))
        own = torch.arange(rows, device=tokens.device)
        seen = torch.arange(width, device=tokens.device) <= positions[:, None]
        for number, layer in enumerate(self._body.layers):
            query, key, value = _project(layer, hidden, turn)
            keys, values = cache.keys[number], cache.values[number]
            keys[own, :, positions] = key
            values[own, :, positions] = value
            window = (keys[:rows, :, :width], values[:rows, :, :width])
            heard = _attend_step(layer.self_attn, query, window, seen)
            hidden = _finish(layer, hidden, heard)
        return self._body.norm(hidden)

    def _embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        """As the vendor embeds: the mark for audio, should the model ever write it, reads as token 0."""
        return self._body.embed_tokens(tokens.masked_fill(tokens == self._audio, 0))

    def choose(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest token for each hidden state and its log probability."""
        logits = self._head(hidden).float()
        best, token = logits.max(-1)
        total = torch.logsumexp(logits / self.logits_scaling, -1)
        return token, best / self.logits_scaling - total


def _project(
    layer: Any, hidden: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, key and value [tokens, heads, d], turned to their positions."""
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    query, key, value = (
        projection(normed).unflatten(-1, (-1, attention.head_dim))
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    return _turned(query, turn), _turned(key, turn), value


def _turned(heads: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary position embedding, the half-split kind."""
    cos, sin = (half[0].unsqueeze(-2) for half in turn)
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin


def _attend_prompt(
    attention: Any,
    packed: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    rows: int,
    places: tuple[torch.Tensor, torch.Tensor, int],
) -> torch.Tensor:
    """Causal attention of each prompt over itself, packed in and out."""
    owners, columns, longest = places
    query, key, value = packed
    groups = query.shape[1] // key.shape[1]
    padded = []
    for part in (query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)):
        field = part.new_zeros(rows, longest, *part.shape[1:])
        field[owners, columns] = part
        padded.append(field.transpose(1, 2))
    heard = functional.scaled_dot_product_attention(
        padded[0], padded[1], padded[2], is_causal=True, scale=attention.scaling
    )
    return heard.transpose(1, 2)[owners, columns].flatten(-2)


def _attend_step(
    attention: Any,
    query: torch.Tensor,
    window: tuple[torch.Tensor, torch.Tensor],
    seen: torch.Tensor,
) -> torch.Tensor:
    """
    One query for each row over its own columns.

    The query heads that share a key head stand where a sequence of queries would: so nothing of the cache is
    copied to widen it.
    """
    keys, values = window
    grouped = query.view(query.shape[0], keys.shape[1], -1, query.shape[-1])
    heard = functional.scaled_dot_product_attention(
        grouped, keys, values, attn_mask=seen[:, None, None, :], scale=attention.scaling
    )
    return heard.flatten(1)


def _finish(layer: Any, hidden: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    """Both residuals of a layer, behind its attention."""
    hidden = hidden + layer.self_attn.o_proj(heard) * layer.residual_multiplier
    thought = layer.mlp(layer.post_attention_layernorm(hidden))
    return hidden + thought * layer.residual_multiplier
