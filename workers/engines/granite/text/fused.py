"""
The weights of the language model, joined so that a layer needs few kernels.

Query, key and value are one matrix, and so are gate and up.  The joined matrices are the only copy: the modules of
transformers keep views of them and stay usable, except in FP8, where they lose their weights.
Residual multipliers are the `alpha` of a matrix product that adds to its input.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their modules have no types here

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from ..compat import joined
from ..kernels.operators import gated
from .matrices import Matrix, matrix_of
from .precision import Precision


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer."""

    input_norm: torch.Tensor = field(repr=False)
    qkv: Matrix = field(repr=False)
    """Rows of all query heads, then of all key heads, then of all value heads."""

    out: Matrix = field(repr=False)
    mlp_norm: torch.Tensor = field(repr=False)
    gate_up: Matrix = field(repr=False)
    down: Matrix = field(repr=False)
    epsilon: float
    residual: float
    """Multiplier of attention and MLP before they are added to their input."""

    @classmethod
    def of(cls, layer: Any, precision: Precision = Precision.FULL) -> "Layer":
        """Join the weights of a layer of transformers.  Its modules get views of the joined matrices."""
        attention, mlp = layer.self_attn, layer.mlp

        def matrix(*linears: Any) -> Matrix:
            made = matrix_of(joined(linears), precision)
            if precision is not Precision.FULL:
                for linear in linears:
                    linear.weight.data = linear.weight.new_empty(0)
            return made

        return cls(
            layer.input_layernorm.weight,
            matrix(attention.q_proj, attention.k_proj, attention.v_proj),
            matrix(attention.o_proj),
            layer.post_attention_layernorm.weight,
            matrix(mlp.gate_proj, mlp.up_proj),
            matrix(mlp.down_proj),
            float(layer.input_layernorm.variance_epsilon),
            float(layer.residual_multiplier),
        )

    def heads(self, hidden: torch.Tensor, size: int) -> torch.Tensor:
        """Query, key and value heads of `hidden` [tokens, hidden]: [tokens, heads, size]."""
        normed = self._normed(hidden, self.input_norm)
        return self.qkv.times(normed).view(hidden.shape[0], -1, size)

    def finish(self, hidden: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The rest of the layer after attention.  `heard`: output of attention, [tokens, heads * size]."""
        hidden = self.out.added(hidden, heard, self.residual)
        both = self.gate_up.times(self._normed(hidden, self.mlp_norm))
        return self.down.added(hidden, gated(both), self.residual)

    def _normed(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(hidden, weight.shape, weight, self.epsilon)


@dataclass(frozen=True, slots=True)
class Rotary:
    """Rotary position embedding (half-split form) by tables over all positions, each [positions, size]."""

    cos: torch.Tensor = field(repr=False)
    sin: torch.Tensor = field(repr=False)
    """Negative in the first half: it multiplies the element half a head further on."""

    @classmethod
    def of(cls, body: Any, positions: int, like: torch.Tensor) -> "Rotary":
        """The tables of a model of transformers, in data type and on the device of `like`."""
        cos, sin = body.rotary_emb(like, torch.arange(positions, device=like.device)[None])
        size = cos.shape[-1]
        signed = torch.cat([-sin[0, :, : size // 2], sin[0, :, size // 2 :]], dim=-1)
        return cls(cos[0].contiguous(), signed)

    def at(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of `positions` [n], each [n, 1, size]."""
        cos, sin = (half.index_select(0, positions)[:, None, :] for half in (self.cos, self.sin))
        return cos, sin
