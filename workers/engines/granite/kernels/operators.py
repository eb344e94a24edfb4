"""
Operations of a decoder layer as one GPU kernel each, written in Triton, which comes with torch for CUDA.

* `gated`: silu(gate) * up, instead of two kernels.
* `attend_step`: turn queries and keys, write keys and values into the cache, and attend to it, instead of four.

They are operators of torch, so that they are counted like others.  On a CPU they use torch.  **The Triton kernels
have not run on a GPU yet**: they are compared with torch in Triton's interpreter.
"""

import importlib.util
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from .step_attention import StepPlaces, attend


@torch.library.custom_op("trunkline::gated", mutates_args=())
def gated(both: torch.Tensor) -> torch.Tensor:
    """`both`: gate and up side by side, [tokens, 2 * size]; returns silu(gate) * up, [tokens, size]."""
    if uses_triton(both):
        made: torch.Tensor = kernels().gated(both)
        return made
    gate, up = both.chunk(2, dim=-1)
    return functional.silu(gate).mul_(up)


@torch.library.custom_op("trunkline::attend_step", mutates_args=("keys", "values", "arrivals"))
def attend_step(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, positions: torch.Tensor,
    keys: torch.Tensor, values: torch.Tensor, arrivals: torch.Tensor, width: int, scale: float,
) -> torch.Tensor:  # fmt: skip
    """
    Self-attention of one new token for each row, with the cache of one layer.

    `heads`: query, key and value heads, [rows, heads, size]; `cos`, `sin`: tables of `Rotary`, [positions, size];
    `positions`: [rows]; `keys`, `values`: [slots, capacity, key heads, size], of which the first rows are written;
    `arrivals`: see KeyValues; `width`: columns of the cache, more than any position; `scale`: factor of the scores.
    Returns [rows, query heads * size].
    """
    if uses_triton(heads):
        made: torch.Tensor = kernels().attend_step(
            heads, cos, sin, positions, keys, values, arrivals, width, scale
        )
        return made
    places = StepPlaces.of(cos, sin, positions, width, keys.shape[1])
    return attend(heads, places, keys, values, scale).contiguous()


@gated.register_fake
def _(both: torch.Tensor) -> torch.Tensor:
    return both.new_empty(both.shape[0], both.shape[1] // 2)


@attend_step.register_fake
def _(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, positions: torch.Tensor,
    keys: torch.Tensor, values: torch.Tensor, arrivals: torch.Tensor, width: int, scale: float,
) -> torch.Tensor:  # fmt: skip
    queries = heads.shape[1] - 2 * keys.shape[2]
    return heads.new_empty(heads.shape[0], queries * heads.shape[2])


def uses_triton(tensor: torch.Tensor) -> bool:
    """Whether the Triton kernels run for `tensor`: on a GPU, if Triton is installed."""
    return tensor.is_cuda and has_triton()


@cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


@cache
def kernels() -> Any:  # noqa: ANN401 - a module that exists only with Triton
    """The module with the Triton kernels."""
    from . import triton_text  # noqa: PLC0415 - needs Triton

    return triton_text
