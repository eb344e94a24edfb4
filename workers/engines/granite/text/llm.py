"""
The language model over a key-value cache with one slot for each running segment.

Each row of the cache has its own length, so a segment joins or leaves without a change to the others.  Prompts of
different lengths are packed one after another and padded only inside attention, on the right, where the causal mask
hides the padding.  (Left padding, which `generate()` needs, has no use here, because each row has its own
positions.)  A step at the true depth is about 340 kernels: `bench/granite_kernels.py` counts them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..checkpoint import CheckpointError
from ..compat import ModelModules
from ..kernels.operators import attend_step, turn_prompt, uses_triton
from ..kernels.step_attention import StepPlaces, attend, turn_and_store
from .fused import Layer, Rotary
from .precision import Precision


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Static cache: keys and values, each [layers, slots, capacity, heads, head size]."""

    keys: torch.Tensor
    values: torch.Tensor
    arrivals: torch.Tensor
    """Counters of the attention in parts (split-K), [slots * heads]; zero between two steps."""

    @property
    def slots(self) -> int:
        """Number of segments that can run at once."""
        return int(self.keys.shape[1])

    @property
    def capacity(self) -> int:
        """Most tokens of one segment: prompt, audio and text."""
        return int(self.keys.shape[2])

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one slot to another."""
        for half in (self.keys, self.values):
            half[:, target, :length] = half[:, source, :length]


@dataclass(frozen=True, slots=True)
class Packing:
    """The places of packed prompts in the cache and in a padded batch."""

    rows: int
    longest: int
    columns: torch.Tensor
    """[tokens]: column of each token in its row."""

    cached: torch.Tensor
    """[tokens]: slot * capacity + column."""

    padded: torch.Tensor
    """[tokens]: row * longest + column."""

    same: bool
    """Whether all rows have the same length."""

    @classmethod
    def of(
        cls, lengths: Sequence[int], slots: Sequence[int], capacity: int, device: torch.device
    ) -> "Packing":
        """The packing of rows of `lengths` tokens into `slots` of a cache."""
        counts = torch.tensor(list(lengths))
        columns = torch.from_numpy(np.concatenate([np.arange(length) for length in lengths]))
        longest = max(lengths)
        padded = torch.repeat_interleave(torch.arange(len(counts)) * longest, counts) + columns
        cached = torch.repeat_interleave(torch.tensor(list(slots)) * capacity, counts) + columns
        there = [one.to(device) for one in (columns, cached, padded)]
        same = len(padded) == len(counts) * longest
        return cls(len(counts), longest, there[0], there[1], there[2], same)

    def pad(self, packed: torch.Tensor) -> torch.Tensor:
        """[tokens, ...] to [rows, longest, ...], with zeros behind shorter rows."""
        shape = (self.rows, self.longest, *packed.shape[1:])
        if self.same:
            return packed.reshape(shape)
        field = packed.new_zeros(self.rows * self.longest, *packed.shape[1:])
        return field.index_copy_(0, self.padded, packed).view(shape)

    def pack(self, field: torch.Tensor) -> torch.Tensor:
        """[rows, longest, ...] to [tokens, ...]: the opposite of `pad`."""
        flat = field.flatten(0, 1)
        return flat if self.same else flat.index_select(0, self.padded)


class LanguageModel:
    """Prefill and single decode steps.  Its only state is the cache that the caller passes."""

    def __init__(self, model: ModelModules, precision: Precision = Precision.FULL) -> None:
        text = model.config.text_config
        if text.attention_bias or text.mlp_bias:
            raise CheckpointError(
                "the language model has biases: no model of this kind is known to"
            )
        self._body, self._head = model.decoder, model.head
        self._layers = [Layer.of(layer, precision) for layer in model.decoder.layers]
        self._scale = float(model.decoder.layers[0].self_attn.scaling)
        self._size = int(model.decoder.layers[0].self_attn.head_dim)
        self._queries = int(text.num_attention_heads)
        self._key_heads = int(text.num_key_value_heads)
        self.logits_scaling = float(text.logits_scaling)
        """
        Divisor of the logits.

        transformers does not apply it in this class; probabilities are wrong without it.
        """
        self.positions = int(text.max_position_embeddings)
        self._audio = int(model.config.audio_token_id)
        self._rotary = Rotary.of(model.decoder, self.positions, self._head.weight)
        self.with_operators = uses_triton(self._head.weight)
        """Whether a step calls `operators.attend_step`; without Triton, that is slower than its parts."""

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        device: torch.device = self._head.weight.device
        return device

    def cache(self, slots: int, capacity: int) -> KeyValues:
        """Allocate an empty cache for `slots` segments of `capacity` tokens."""
        shape = (len(self._layers), slots, capacity, self._key_heads, self._size)
        keys, values = (
            torch.zeros(shape, dtype=self._head.weight.dtype, device=self.device) for _ in range(2)
        )
        counters = torch.zeros(slots * self._key_heads, dtype=torch.int32, device=self.device)
        return KeyValues(keys, values, counters)

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """
        Embed token ids: [tokens, hidden].

        `prefill` applies the embedding multiplier, to text and audio alike.
        """
        return self._embedded(torch.tensor(list(ids), dtype=torch.long, device=self.device))

    def prefill(
        self, rows: Sequence[torch.Tensor], slots: range, cache: KeyValues
    ) -> list[torch.Tensor]:
        """
        Run the prompts `rows`, each [tokens, hidden], and write them into `slots` of the cache from column 0.

        Returns the final hidden states of each row, [tokens, hidden].
        """
        lengths = [len(row) for row in rows]
        hidden = torch.cat(list(rows)) * self._body.embedding_multiplier
        packing = Packing.of(lengths, slots, cache.capacity, self.device)
        turn = self._turning(packing, cache)
        window = (slice(slots[0], slots[-1] + 1), slice(packing.longest))
        for number, layer in enumerate(self._layers):
            keys, values = cache.keys[number], cache.values[number]
            queries = turn(layer.heads(hidden, self._size), keys, values)
            heard = self._attend_prompt(queries, keys[window], values[window])
            hidden = layer.finish(hidden, packing.pack(heard).flatten(-2))
        return list(self._body.norm(hidden).split(lengths))

    def step(
        self, tokens: torch.Tensor, positions: torch.Tensor, cache: KeyValues, width: int
    ) -> torch.Tensor:
        """
        Run one token for each of the first rows of the cache.

        `tokens`, `positions`: [rows]; `width`: number of cache columns to attend to.  Returns hidden states
        [rows, hidden].
        """
        hidden = self._embedded(tokens) * self._body.embedding_multiplier
        hear = self._listening(positions, cache, width)
        for number, layer in enumerate(self._layers):
            heads = layer.heads(hidden, self._size)
            hidden = layer.finish(hidden, hear(heads, cache.keys[number], cache.values[number]))
        normed: torch.Tensor = self._body.norm(hidden)
        return normed

    def _embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed as the vendor does: the audio token, if the model ever writes it, becomes token 0."""
        embedded: torch.Tensor = self._body.embed_tokens(
            tokens.masked_fill(tokens == self._audio, 0)
        )
        return embedded

    def _turning(
        self, packing: Packing, cache: KeyValues
    ) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
        """
        Turn packed heads, and write them into the cache of one layer: see operators.turn_prompt.

        The function returns the queries, padded: [rows, longest, query heads, size].
        """
        shape = (packing.rows, packing.longest, self._queries, self._size)
        if self.with_operators:
            cos, sin = self._rotary.cos, self._rotary.sin
            columns, cached, padded = packing.columns, packing.cached, packing.padded
            return lambda heads, keys, values: turn_prompt(
                heads, cos, sin, columns, cached, padded, keys, values, shape[0] * shape[1]
            ).view(shape)
        angles = self._rotary.at(packing.columns)
        return lambda heads, keys, values: packing.pad(
            turn_and_store(heads, angles, packing.cached, keys, values)
        )

    def _attend_prompt(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """
        Causal self-attention of each prompt over its columns of the cache: [rows, longest, query heads, size].

        Behind the end of a prompt the cache may hold numbers of other segments: only padding attends to them.
        """
        heard = functional.scaled_dot_product_attention(
            queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2),
            is_causal=True, scale=self._scale, enable_gqa=True,
        )  # fmt: skip
        return heard.transpose(1, 2)

    def _listening(
        self, positions: torch.Tensor, cache: KeyValues, width: int
    ) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
        """The attention of one step, for heads and the cache of one layer: see operators.attend_step."""
        cos, sin = self._rotary.cos, self._rotary.sin
        if self.with_operators:
            return lambda heads, keys, values: attend_step(
                heads, cos, sin, positions, keys, values, cache.arrivals, width, self._scale
            )
        places = StepPlaces.of(cos, sin, positions, width, cache.capacity)
        return lambda heads, keys, values: attend(heads, places, keys, values, self._scale)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits in fp32, before `logits_scaling`: [n, vocabulary]."""
        logits: torch.Tensor = self._head(hidden).float()
        return logits

    def choose(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest token for each hidden state, and its log-probability."""
        logits = self.logits(hidden)
        best, token = logits.max(-1)
        total = torch.logsumexp(logits / self.logits_scaling, -1)
        return token, best / self.logits_scaling - total

    def verify(
        self, hidden: torch.Tensor, tokens: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        As `choose`, and the log-probability of one given token for each hidden state.

        `hidden`: [n, hidden]; `tokens`: n ids.
        """
        logits = self.logits(hidden)
        best, token = logits.max(-1)
        total = torch.logsumexp(logits / self.logits_scaling, -1)
        asked = torch.tensor(list(tokens), dtype=torch.long, device=self.device)
        given = logits.gather(-1, asked[:, None])[:, 0]
        return token, best / self.logits_scaling - total, given / self.logits_scaling - total
