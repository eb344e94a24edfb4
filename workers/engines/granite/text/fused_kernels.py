"""
Two operations of a decoder layer as one GPU kernel each, written in Triton, which comes with torch for CUDA.

* `gated`: silu(gate) * up, instead of two kernels.
* `turn_and_store`: turn queries and keys, and write keys and values into the cache, instead of three kernels.

They are operators of torch, so that they are captured into CUDA graphs and counted like others.  On a CPU they use
torch.  **The Triton kernels have not run on a GPU yet**: they are compared with torch in Triton's interpreter.
"""

import importlib.util
from functools import cache
from typing import Any

import torch
from torch.nn import functional


@torch.library.custom_op("trunkline::gated", mutates_args=())
def gated(both: torch.Tensor) -> torch.Tensor:
    """`both`: gate and up side by side, [tokens, 2 * size]; returns silu(gate) * up, [tokens, size]."""
    if uses_triton(both):
        made: torch.Tensor = kernels().gated(both)
        return made
    gate, up = both.chunk(2, dim=-1)
    return functional.silu(gate).mul_(up)


@torch.library.custom_op("trunkline::turn_and_store", mutates_args=("keys", "values"))
def turn_and_store(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, positions: torch.Tensor,
    keys: torch.Tensor, values: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """
    Turn query and key heads by their positions, and write keys and values into the cache of one layer.

    `heads`: query, key and value heads of one token for each row, [rows, heads, size]; `cos`, `sin`: tables of
    `Rotary`, [positions, size]; `positions`: [rows]; `keys`, `values`: [slots, capacity, key heads, size], of which
    the first rows are written.  Returns the turned queries, [rows, query heads, size].
    """
    if uses_triton(heads):
        made: torch.Tensor = kernels().turn_and_store(heads, cos, sin, positions, keys, values)
        return made
    key_heads = keys.shape[2]
    turning = heads.shape[1] - key_heads
    rows = torch.arange(heads.shape[0], device=heads.device)
    angles = (cos[positions][:, None], sin[positions][:, None])
    half = heads.shape[-1] // 2
    seen = torch.addcmul(
        heads[:, :turning] * angles[0], heads[:, :turning].roll(half, -1), angles[1]
    )
    keys[rows, positions] = seen[:, turning - key_heads :]
    values[rows, positions] = heads[:, turning:]
    return seen[:, : turning - key_heads].contiguous()


@gated.register_fake
def _(both: torch.Tensor) -> torch.Tensor:
    return both.new_empty(both.shape[0], both.shape[1] // 2)


@turn_and_store.register_fake
def _(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, positions: torch.Tensor,
    keys: torch.Tensor, values: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    return heads.new_empty(heads.shape[0], heads.shape[1] - 2 * keys.shape[2], heads.shape[2])


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
    from . import triton_kernels  # noqa: PLC0415 - needs Triton

    return triton_kernels
