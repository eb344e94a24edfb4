"""
The Triton kernels of `fused_kernels`, with the same arguments and results.

**They have not run on a GPU yet.**  They compute in fp32 and round once; an instance works on one head, or on one
block of a row.
"""

# mypy: ignore-errors
# ruff: noqa: ANN001, ANN202, N803 - the language of Triton: arguments are pointers and constants of the compiler

import torch
import triton
import triton.language as tl

_BLOCK = 1_024


def gated(both: torch.Tensor) -> torch.Tensor:
    """See fused_kernels.gated."""
    tokens, size = both.shape[0], both.shape[1] // 2
    made = both.new_empty(tokens, size)
    _gated[(tokens, triton.cdiv(size, _BLOCK))](both, made, size, BLOCK=_BLOCK)
    return made


def turn_and_store(heads, cos, sin, positions, keys, values) -> torch.Tensor:
    """See fused_kernels.turn_and_store."""
    rows, count, size = heads.shape
    key_heads = keys.shape[2]
    made = heads.new_empty(rows, count - 2 * key_heads, size)
    _turn_and_store[(rows, count)](
        heads, cos, sin, positions, made, keys, values,
        keys.stride(0), keys.stride(1), count - 2 * key_heads, key_heads,
        HALF=size // 2,
    )  # fmt: skip
    return made


@triton.jit
def _gated(both, made, size, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < size
    start = both + row * 2 * size + column
    gate = tl.load(start, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(start + size, mask=inside, other=0.0).to(tl.float32)
    product = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(made + row * size + column, product.to(both.dtype.element_ty), mask=inside)


@triton.jit
def _turn_and_store(
    heads, cos, sin, positions, made, keys, values, slot, column, queries, key_heads,
    HALF: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0), tl.program_id(1)
    count = queries + 2 * key_heads
    place = tl.arange(0, HALF)
    position = tl.load(positions + row)
    source = heads + (row * count + head) * 2 * HALF + place
    low, high = tl.load(source), tl.load(source + HALF)
    if head < queries + key_heads:
        angle = position * 2 * HALF + place
        turned_low = low.to(tl.float32) * tl.load(cos + angle).to(tl.float32)
        turned_low += high.to(tl.float32) * tl.load(sin + angle).to(tl.float32)
        turned_high = high.to(tl.float32) * tl.load(cos + angle + HALF).to(tl.float32)
        turned_high += low.to(tl.float32) * tl.load(sin + angle + HALF).to(tl.float32)
        low, high = turned_low.to(low.dtype), turned_high.to(high.dtype)
    cached = row.to(tl.int64) * slot + position * column
    if head < queries:
        target = made + (row * queries + head) * 2 * HALF + place
    elif head < queries + key_heads:
        target = keys + cached + (head - queries) * 2 * HALF + place
    else:
        target = values + cached + (head - queries - key_heads) * 2 * HALF + place
    tl.store(target, low)
    tl.store(target + HALF, high)
