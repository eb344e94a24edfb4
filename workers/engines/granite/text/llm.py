"""
The language model over a key-value cache with one slot for each running segment.

Each row of the cache has its own length, so a segment joins or leaves without a change to the others.  Prompts of
different lengths are packed one after another and padded only inside attention, on the right, where the causal mask
hides the padding.  (Left padding, which `generate()` needs, has no use here, because each row has its own
positions.)  Modules and weights are those of the model.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their modules have no types here

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from ..compat import ModelModules


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Static cache: keys and values, each [layers, slots, heads, capacity, head size]."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def slots(self) -> int:
        """Number of segments that can run at once."""
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
    """Prefill and single decode steps.  Its only state is the cache that the caller passes."""

    def __init__(self, model: ModelModules) -> None:
        self._body = model.decoder
        self._head = model.head
        text = model.config.text_config
        self.logits_scaling = float(text.logits_scaling)
        """
        Divisor of the logits.

        transformers does not apply it in this class; probabilities are wrong without it.
        """
        self.positions = int(text.max_position_embeddings)
        self._text = text
        self._audio = int(model.config.audio_token_id)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        device: torch.device = self._head.weight.device
        return device

    def cache(self, slots: int, capacity: int) -> KeyValues:
        """Allocate an empty cache for `slots` segments of `capacity` tokens."""
        attention = self._body.layers[0].self_attn
        shape = (
            len(self._body.layers), slots, int(self._text.num_key_value_heads), capacity, int(attention.head_dim),
        )  # fmt: skip
        keys, values = (
            torch.zeros(shape, dtype=self._head.weight.dtype, device=self.device) for _ in range(2)
        )
        return KeyValues(keys, values)

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """
        Embed token ids: [tokens, hidden].

        `prefill` applies the embedding multiplier, to text and audio alike.
        """
        return self._embedded(torch.tensor(list(ids), dtype=torch.long, device=self.device))

    def prefill(
        self, rows: Sequence[torch.Tensor], slots: Sequence[int], cache: KeyValues
    ) -> list[torch.Tensor]:
        """
        Run the prompts `rows`, each [tokens, hidden], and write them into `slots` of the cache from column 0.

        Returns the final hidden states of each row, [tokens, hidden].
        """
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
        """
        Run one token for each of the first rows of the cache.

        `tokens`, `positions`: [rows]; `width`: number of cache columns to attend to.  Returns hidden states
        [rows, hidden].
        """
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
        normed: torch.Tensor = self._body.norm(hidden)
        return normed

    def _embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed as the vendor does: the audio token, if the model ever writes it, becomes token 0."""
        embedded: torch.Tensor = self._body.embed_tokens(
            tokens.masked_fill(tokens == self._audio, 0)
        )
        return embedded

    def choose(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest token for each hidden state, and its log-probability."""
        logits = self._head(hidden).float()
        best, token = logits.max(-1)
        total = torch.logsumexp(logits / self.logits_scaling, -1)
        return token, best / self.logits_scaling - total


def _project(
    layer: Any, hidden: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, key and value [tokens, heads, d], query and key with rotary position embedding."""
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    query, key, value = (
        projection(normed).unflatten(-1, (-1, attention.head_dim))
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    return _turned(query, turn), _turned(key, turn), value


def _turned(heads: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Apply rotary position embedding (half-split form)."""
    cos, sin = (half[0].unsqueeze(-2) for half in turn)
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin


def _attend_prompt(
    attention: Any,
    packed: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    rows: int,
    places: tuple[torch.Tensor, torch.Tensor, int],
) -> torch.Tensor:
    """Causal self-attention of each prompt; input and output are packed."""
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
    Attention of one query for each row over the columns of its row.

    Query heads that share a key head are passed as if they were a sequence of queries, so that the cache need not
    be copied.
    """
    keys, values = window
    grouped = query.view(query.shape[0], keys.shape[1], -1, query.shape[-1])
    heard = functional.scaled_dot_product_attention(
        grouped, keys, values, attn_mask=seen[:, None, None, :], scale=attention.scaling
    )
    return heard.flatten(1)


def _finish(layer: Any, hidden: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    """The rest of a layer after attention: both residual connections and the MLP."""
    hidden = hidden + layer.self_attn.o_proj(heard) * layer.residual_multiplier
    thought: torch.Tensor = layer.mlp(layer.post_attention_layernorm(hidden))
    finished: torch.Tensor = hidden + thought * layer.residual_multiplier
    return finished
