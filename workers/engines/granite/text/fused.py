"""
The weights of the language model, joined so that a layer needs few kernels.

Query, key and value are one matrix, and so are gate and up.  The joined matrices are the only copy: the modules of
transformers keep views of them and stay usable.  Residual multipliers are the `alpha` of a matrix product that adds
to its input.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their modules have no types here

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from ..compat import joined
from ..kernels.operators import gated


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer.  Matrices are [outputs, inputs], as `torch.nn.Linear` keeps them."""

    input_norm: torch.Tensor = field(repr=False)
    qkv: torch.Tensor = field(repr=False)
    """Rows of all query heads, then of all key heads, then of all value heads."""

    out: torch.Tensor = field(repr=False)
    mlp_norm: torch.Tensor = field(repr=False)
    gate_up: torch.Tensor = field(repr=False)
    down: torch.Tensor = field(repr=False)
    epsilon: float
    residual: float
    """Multiplier of attention and MLP before they are added to their input."""

    @classmethod
    def of(cls, layer: Any) -> "Layer":
        """Join the weights of a layer of transformers.  Its modules get views of the joined matrices."""
        attention, mlp = layer.self_attn, layer.mlp
        return cls(
            layer.input_layernorm.weight,
            joined((attention.q_proj, attention.k_proj, attention.v_proj)),
            attention.o_proj.weight,
            layer.post_attention_layernorm.weight,
            joined((mlp.gate_proj, mlp.up_proj)),
            mlp.down_proj.weight,
            float(layer.input_layernorm.variance_epsilon),
            float(layer.residual_multiplier),
        )

    def heads(self, hidden: torch.Tensor, size: int) -> torch.Tensor:
        """Query, key and value heads of `hidden` [tokens, hidden]: [tokens, heads, size]."""
        normed = self._normed(hidden, self.input_norm)
        return functional.linear(normed, self.qkv).view(hidden.shape[0], -1, size)

    def finish(self, hidden: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The rest of the layer after attention.  `heard`: output of attention, [tokens, heads * size]."""
        hidden = torch.addmm(hidden, heard, self.out.t(), alpha=self.residual)
        both = functional.linear(self._normed(hidden, self.mlp_norm), self.gate_up)
        return torch.addmm(hidden, gated(both), self.down.t(), alpha=self.residual)

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
