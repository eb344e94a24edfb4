"""
Two changes to a loaded encoder that save time on a CPU, where reading the weights takes most of it.

transformers projects the sines of all relative positions anew in each pass, in each layer: as many rows as the
window is wide, beside the few frames of a chunk.  They are the same in every pass, so they are projected once.  And
a matrix in bfloat16 is half as much to read; processors with AMX or AVX-512 BF16 multiply it as it is.
"""

# ruff: noqa: ANN401 - transformers is an optional extra: its models have no types here

from typing import Any

import torch
from torch import nn

_FRAMES = 128
"""Frames of window and new audio together for which the positions are kept: 25 MB with the vendor's model."""


class KeptPositions(nn.Module):
    """Takes the place of the projection of relative positions of one layer."""

    def __init__(self, projection: nn.Module, positions: torch.Tensor) -> None:
        """`positions`: of `_FRAMES` frames, `[1, 2 * _FRAMES - 1, width]`: from the furthest back to that ahead."""
        super().__init__()
        self._projection, self._projected = projection, projection(positions)

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        """The projection of `positions`, `[1, 2 * frames - 1, width]`."""
        frames = (positions.shape[1] + 1) // 2
        if frames > _FRAMES:
            longer: torch.Tensor = self._projection(positions)
            return longer
        kept: torch.Tensor = self._projected[:, _FRAMES - frames : _FRAMES + frames - 1]
        return kept


class HalfLinear(nn.Module):
    """A linear layer whose matrix is in bfloat16; input and output are float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._weight, self._bias = linear.weight.bfloat16(), linear.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """The layer's output; sums are made in float32 inside the matrix product."""
        product = nn.functional.linear(states.bfloat16(), self._weight).float()
        return product if self._bias is None else product + self._bias


@torch.inference_mode()
def keep_positions(encoder: Any) -> None:
    """Project the relative positions once, for each layer of transformers' `NemotronAsrStreamingEncoder`."""
    positions = encoder.encode_positions(torch.zeros(1, _FRAMES, encoder.config.hidden_size))
    for layer in encoder.layers:
        attention = layer.self_attn
        attention.relative_k_proj = KeptPositions(attention.relative_k_proj, positions)


@torch.inference_mode()
def halve_matrices(encoder: Any) -> None:
    """Turn the large matrices of the encoder's layers into bfloat16; all else stays in float32."""
    for layer in encoder.layers:
        for part in (layer.feed_forward1, layer.feed_forward2, layer.self_attn):
            for name, module in list(part.named_children()):
                if isinstance(module, nn.Linear):
                    setattr(part, name, HalfLinear(module))
