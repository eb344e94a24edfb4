"""
The encoder for audio in pieces: each vector is computed once.

In a layer with the window (before, ahead), a vector looks at the `before` - 1 vectors before it and at the
`ahead` - 1 behind it.  So an output is final as soon as the vectors behind it are, and a layer needs of the past
only the keys and values inside its window.  Without position embeddings the place in the utterance does not matter
("Moonshine v2: Ergodic Streaming Encoder ASR for Latency-Critical Speech Applications", arXiv 2602.12241).
"""

# ruff: noqa: ANN401 - transformers is an optional extra: its models have no types here

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .frontend import FrontendState, StreamingFrontend


@dataclass(frozen=True, slots=True)
class LayerState:
    """What a layer needs of the vectors before."""

    pending: Tensor = field(repr=False)
    """Its last inputs, whose outputs wait for vectors behind them, `[n, width]`."""

    keys: Tensor = field(repr=False)
    """Keys of its inputs inside the window, the pending ones included, `[heads, n, size]`."""

    values: Tensor = field(repr=False)


@dataclass(frozen=True, slots=True)
class EncoderState:
    """The state of an utterance that grows.  Its size does not depend on the length of the utterance."""

    frontend: FrontendState
    layers: tuple[LayerState, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """New outputs of the encoder."""

    vectors: Tensor = field(repr=False)
    """`[vectors, width]`."""

    final: int
    """How many of them, from the first on, more audio will not change."""

    state: EncoderState
    """The state behind the final ones."""


class StreamingEncoder:
    """A loaded encoder, for audio in pieces.  It has no state of its own: any thread may use it."""

    def __init__(self, encoder: Any) -> None:
        """`encoder`: a loaded MoonshineStreamingEncoder of transformers."""
        self._frontend = StreamingFrontend(encoder.embedder)
        self._layers = [
            _Layer(layer, encoder.config, before, ahead)
            for layer, (before, ahead) in zip(
                encoder.layers, encoder.config.sliding_windows, strict=True
            )
        ]
        self._norm = encoder.final_norm

    @property
    def samples_per_vector(self) -> int:
        """Samples from one output to the next."""
        return self._frontend.samples_per_vector

    @property
    def lookahead(self) -> int:
        """Vectors behind an output that it depends on."""
        return sum(layer.ahead for layer in self._layers)

    def start(self) -> EncoderState:
        """The state before the first sample."""
        return EncoderState(self._frontend.start(), tuple(layer.start() for layer in self._layers))

    @torch.inference_mode()
    def advance(self, state: EncoderState, samples: Tensor, tail: Tensor | None = None) -> Encoded:
        """
        Encode more audio of an utterance.

        `samples`: float32, `[n]`, at 16 kHz, behind those that `state` has heard.  `tail`: samples behind these
        with which the audio ends for now; the outputs that depend on its end are not final, and the returned state
        has not heard it.  Without it, only final outputs are returned.
        """
        vectors, frontend = self._frontend.advance(state.frontend, samples)
        final = len(vectors)
        if tail is not None:
            vectors = torch.cat([vectors, self._frontend.finish(frontend, tail)])
        layers = []
        for layer, kept in zip(self._layers, state.layers, strict=True):
            vectors, final, after = layer.advance(kept, vectors, final, ended=tail is not None)
            layers.append(after)
        return Encoded(self._norm(vectors), final, EncoderState(frontend, tuple(layers)))


class _Layer:
    """One layer with its window."""

    def __init__(self, layer: Any, config: Any, before: int, ahead: int) -> None:
        self._layer, self._attention = layer, layer.self_attn
        self._past = before - 1
        self.ahead = max(0, ahead - 1)
        self._heads, self._key_heads = config.num_attention_heads, config.num_key_value_heads
        self._size, self._width = int(self._attention.head_dim), int(config.hidden_size)

    def start(self) -> LayerState:
        none = torch.zeros(self._key_heads, 0, self._size)
        return LayerState(torch.zeros(0, self._width), none, none)

    def advance(
        self, state: LayerState, more: Tensor, final: int, *, ended: bool
    ) -> tuple[Tensor, int, LayerState]:
        """
        The outputs for the pending inputs and for `more` of them, of which the first `final` are final.

        Returns them, the number of final ones, and the state behind these.  If not `ended`, only final ones.
        """
        inputs = torch.cat([state.pending, more])
        keys, values = self._with_keys(state, more)
        known = len(state.pending) + final
        settled = max(0, known - self.ahead)
        past = keys.shape[1] - len(inputs)
        asked = inputs if ended else inputs[:settled]
        outputs = self._outputs(asked, keys, values, past)
        kept = slice(max(0, past + settled - self._past), past + known)
        after = LayerState(
            inputs[settled:known].clone(), keys[:, kept].clone(), values[:, kept].clone()
        )
        return outputs, settled, after

    def _with_keys(self, state: LayerState, more: Tensor) -> tuple[Tensor, Tensor]:
        """The kept keys and values, and those of `more` inputs behind them."""
        normal = self._layer.input_layernorm(more)
        keys = self._split(self._attention.k_proj(normal), self._key_heads)
        values = self._split(self._attention.v_proj(normal), self._key_heads)
        return torch.cat([state.keys, keys], 1), torch.cat([state.values, values], 1)

    def _outputs(self, asked: Tensor, keys: Tensor, values: Tensor, past: int) -> Tensor:
        """The outputs for the inputs `asked`; the first of them has the key number `past`."""
        if not len(asked):
            return asked
        queries = self._attention.q_proj(self._layer.input_layernorm(asked))
        shared = self._heads // self._key_heads
        distance = torch.arange(len(asked))[:, None] - torch.arange(-past, keys.shape[1] - past)
        looked = functional.scaled_dot_product_attention(
            self._split(queries, self._heads)[None],
            keys.repeat_interleave(shared, 0)[None],
            values.repeat_interleave(shared, 0)[None],
            attn_mask=(distance <= self._past) & (distance >= -self.ahead),
            scale=self._attention.scaling,
        )[0]
        hidden = asked + self._attention.o_proj(looked.transpose(0, 1).flatten(1))
        outputs: Tensor = hidden + self._layer.mlp(self._layer.post_attention_layernorm(hidden))
        return outputs

    def _split(self, projected: Tensor, heads: int) -> Tensor:
        """`[n, heads * size]` as `[heads, n, size]`."""
        return projected.view(len(projected), heads, self._size).transpose(0, 1)
