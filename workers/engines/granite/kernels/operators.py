"""
Operations of a layer as one GPU kernel each, written in Triton, which comes with torch for CUDA.

* `gated`: silu(gate) * up, instead of two kernels.
* `attend_step`: turn queries and keys, write keys and values into the cache, and attend to it, instead of four.
* `turn_prompt`: the first half of that for prompts, instead of seven.
* `convolve`: depth-wise convolution, batch norm and activation of the encoder, instead of eight.

They are operators of torch, so that they are counted like others.  On a CPU they use torch.  **The Triton kernels
have not run on a GPU yet**: they are compared with torch in Triton's interpreter.
"""

import importlib.util
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from .step_attention import StepPlaces, attend, turn_and_store


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


@torch.library.custom_op("trunkline::turn_prompt", mutates_args=("keys", "values"))
def turn_prompt(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, columns: torch.Tensor, cached: torch.Tensor,
    padded: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, places: int,
) -> torch.Tensor:  # fmt: skip
    """
    Turn queries and keys of packed prompts, and write keys and values into the cache of one layer.

    `heads`: query, key and value heads, [tokens, heads, size]; `cos`, `sin`: tables of `Rotary`; `columns`,
    `cached`, `padded`: see Packing; `keys`, `values`: [slots, capacity, key heads, size]; `places`: rows times the
    longest one.  Returns the queries, padded, [places, query heads, size]; padding is not initialised.
    """
    if uses_triton(heads):
        made: torch.Tensor = kernels().turn_prompt(
            heads, cos, sin, columns, cached, padded, keys, values, places
        )
        return made
    queries = heads.shape[1] - 2 * keys.shape[2]
    angles = [half.index_select(0, columns)[:, None, :] for half in (cos, sin)]
    seen = turn_and_store(heads, (angles[0], angles[1]), cached, keys, values)
    return heads.new_zeros(places, queries, heads.shape[2]).index_copy_(0, padded, seen)


@torch.library.custom_op("trunkline::convolve", mutates_args=())
def convolve(
    opened: torch.Tensor, first: torch.Tensor, end: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor,
    shift: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """
    silu(scale * convolution + shift) of packed clips, each alone: what the encoder does between its two matrices.

    `opened`: [frames, channels]; `first`, `end`: first frame of the clip of each frame, and the one after its last,
    [frames]; `weight`: [channels, taps], an odd number; `scale`, `shift`: batch norm in fp32, [channels].
    """
    if uses_triton(opened):
        made: torch.Tensor = kernels().convolve(opened, first, end, weight, scale, shift)
        return made
    reach = weight.shape[1] // 2
    frames = torch.arange(len(opened), device=opened.device)
    mixed = torch.zeros(opened.shape, device=opened.device)
    for tap in range(weight.shape[1]):
        there = frames + tap - reach
        inside = (there >= first) & (there < end)
        mixed += weight[:, tap].float() * opened[there.clamp(0, len(opened) - 1)] * inside[:, None]
    return functional.silu(mixed * scale + shift).to(opened.dtype)


@turn_prompt.register_fake
def _(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, columns: torch.Tensor, cached: torch.Tensor,
    padded: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, places: int,
) -> torch.Tensor:  # fmt: skip
    return heads.new_empty(places, heads.shape[1] - 2 * keys.shape[2], heads.shape[2])


@convolve.register_fake
def _(
    opened: torch.Tensor, first: torch.Tensor, end: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor,
    shift: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    return torch.empty_like(opened)


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
