"""
The Triton kernels of `operators`, with the same arguments and results.

**They have not run on a GPU yet.**  They compute in fp32 and round once.
"""

# mypy: ignore-errors
# ruff: noqa: ANN001, ANN202, N803, PLR0915 - the language of Triton: pointers, constants of the compiler, one function

import torch
import triton
import triton.language as tl

from .splitting import parts_of

_BLOCK = 1_024
_COLUMNS = 32


def gated(both: torch.Tensor) -> torch.Tensor:
    """See operators.gated."""
    tokens, size = both.shape[0], both.shape[1] // 2
    made = both.new_empty(tokens, size)
    _gated[(tokens, triton.cdiv(size, _BLOCK))](both, made, size, BLOCK=_BLOCK)
    return made


def attend_step(
    heads, cos, sin, positions, keys, values, arrivals, width, scale, parts=None
) -> torch.Tensor:
    """See operators.attend_step.  `parts`: into how many parts the columns are split; None: by the device."""
    rows, count, size = heads.shape
    key_heads = keys.shape[2]
    queries = count - 2 * key_heads
    parts = parts or parts_of(width, rows * key_heads, _processors(heads.device))
    made = heads.new_empty(rows, queries * size)
    state = (rows * key_heads * parts, queries // key_heads, size + 2)
    states = torch.empty(state if parts > 1 else (1,), dtype=torch.float32, device=heads.device)
    _attend[(rows, key_heads, parts)](
        heads, cos, sin, positions, keys, values, made, states, arrivals,
        keys.stride(0), keys.stride(1), key_heads, triton.cdiv(width, parts), scale,
        GROUP=queries // key_heads, HALF=size // 2, BLOCK=_COLUMNS, PARTS=parts,
    )  # fmt: skip
    return made


def turn_prompt(heads, cos, sin, columns, cached, padded, keys, values, places) -> torch.Tensor:
    """See operators.turn_prompt."""
    tokens, count, size = heads.shape
    key_heads = keys.shape[2]
    queries = count - 2 * key_heads
    made = heads.new_empty(places, queries, size)
    _turn_prompt[(tokens, count)](
        heads, cos, sin, columns, cached, padded, made, keys, values, queries, key_heads, HALF=size // 2,
    )  # fmt: skip
    return made


def convolve(opened, first, end, weight, scale, shift) -> torch.Tensor:
    """See operators.convolve."""
    frames, channels = opened.shape
    made = torch.empty_like(opened)
    taps = weight.shape[1]
    _convolve[(frames, triton.cdiv(channels, _BLOCK))](
        opened, first, end, weight, scale, shift, made, channels, TAPS=taps, BLOCK=_BLOCK
    )
    return made


def quantised(hidden) -> tuple[torch.Tensor, torch.Tensor]:
    """See fp8.quantised."""
    tokens, size = hidden.shape
    values = torch.empty_like(hidden, dtype=torch.float8_e4m3fn)
    scale = hidden.new_empty(tokens, 1, dtype=torch.float32)
    _quantised[(tokens,)](hidden, values, scale, size, BLOCK=triton.next_power_of_2(size))
    return values, scale


def _processors(device) -> int:
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count


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
def _quantised(hidden, values, scale, size, BLOCK: tl.constexpr):
    """One token.  448: largest number of e4m3."""
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < size
    wide = tl.load(hidden + row * size + column, mask=inside, other=0.0).to(tl.float32)
    factor = tl.maximum(tl.max(tl.abs(wide), 0) / 448.0, 1e-12)
    tl.store(scale + row, factor)
    scaled = tl.minimum(tl.maximum(wide / factor, -448.0), 448.0)
    tl.store(values + row * size + column, scaled.to(values.dtype.element_ty), mask=inside)


@triton.jit
def _turned(source, angles_cos, angles_sin, position, HALF: tl.constexpr):
    """The halves of heads at `source` (pointers to the lower half), turned by `position`, rounded as stored."""
    angle = position * 2 * HALF + tl.arange(0, HALF)
    kind = source.dtype.element_ty
    low = tl.load(source).to(tl.float32)
    high = tl.load(source + HALF).to(tl.float32)
    turned_low = low * tl.load(angles_cos + angle).to(tl.float32)
    turned_low += high * tl.load(angles_sin + angle).to(tl.float32)
    turned_high = high * tl.load(angles_cos + angle + HALF).to(tl.float32)
    turned_high += low * tl.load(angles_sin + angle + HALF).to(tl.float32)
    return turned_low.to(kind), turned_high.to(kind)


@triton.jit
def _turn_prompt(
    heads, cos, sin, columns, cached, padded, made, keys, values, queries, key_heads,
    HALF: tl.constexpr,
):  # fmt: skip
    """One head of one token."""
    token, head = tl.program_id(0), tl.program_id(1)
    place = tl.arange(0, HALF)
    source = heads + (token * (queries + 2 * key_heads) + head) * 2 * HALF + place
    if head < queries + key_heads:
        low, high = _turned(source, cos, sin, tl.load(columns + token), HALF)
    else:
        low, high = tl.load(source), tl.load(source + HALF)
    at = tl.load(cached + token) * key_heads
    if head < queries:
        target = made + (tl.load(padded + token) * queries + head) * 2 * HALF + place
    elif head < queries + key_heads:
        target = keys + (at + head - queries) * 2 * HALF + place
    else:
        target = values + (at + head - queries - key_heads) * 2 * HALF + place
    tl.store(target, low)
    tl.store(target + HALF, high)


@triton.jit
def _convolve(
    opened,
    first,
    end,
    weight,
    scale,
    shift,
    made,
    channels,
    TAPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One frame of a block of channels."""
    frame = tl.program_id(0)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = channel < channels
    begin, stop = tl.load(first + frame), tl.load(end + frame)
    mixed = tl.zeros([BLOCK], tl.float32)
    for tap in range(TAPS):
        there = frame + tap - TAPS // 2
        width = tl.where((there >= begin) & (there < stop), channels, 0)
        heard = tl.load(opened + there * channels + channel, mask=channel < width, other=0.0).to(
            tl.float32
        )
        mixed += heard * tl.load(weight + channel * TAPS + tap, mask=real, other=0.0).to(tl.float32)
    mixed = mixed * tl.load(scale + channel, mask=real) + tl.load(shift + channel, mask=real)
    mixed = mixed / (1.0 + tl.exp(-mixed))
    tl.store(made + frame * channels + channel, mixed.to(made.dtype.element_ty), mask=real)


@triton.jit
def _attend(
    heads, cos, sin, positions, keys, values, made, states, arrivals,
    slot, column, key_heads, span, scale,
    GROUP: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """One part of the columns of one row, for the query heads of one key head: an online softmax."""
    row, head, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place, member = tl.arange(0, HALF), tl.arange(0, GROUP)
    position = tl.load(positions + row)
    start = heads + row * key_heads * (GROUP + 2) * 2 * HALF
    own = start + ((head * GROUP + member) * 2 * HALF)[:, None] + place[None, :]
    query_low, query_high = _turned(own, cos, sin, position, HALF)
    query_low, query_high = query_low.to(tl.float32) * scale, query_high.to(tl.float32) * scale
    cached = row.to(tl.int64) * slot + head * 2 * HALF
    best = tl.full([GROUP], float("-inf"), tl.float32)
    total = tl.zeros([GROUP], tl.float32)
    low = tl.zeros([GROUP, HALF], tl.float32)
    high = tl.zeros([GROUP, HALF], tl.float32)
    if part == 0:  # the new token: from `heads`, not from the cache
        key = start + (key_heads * GROUP + head) * 2 * HALF + place
        key_low, key_high = _turned(key, cos, sin, position, HALF)
        low_value = tl.load(key + key_heads * 2 * HALF)
        high_value = tl.load(key + key_heads * 2 * HALF + HALF)
        here = cached + position * column + place
        tl.store(keys + here, key_low)
        tl.store(keys + here + HALF, key_high)
        tl.store(values + here, low_value)
        tl.store(values + here + HALF, high_value)
        best = tl.sum(query_low * key_low.to(tl.float32)[None, :], 1)
        best += tl.sum(query_high * key_high.to(tl.float32)[None, :], 1)
        total += 1.0
        low += low_value.to(tl.float32)[None, :]
        high += high_value.to(tl.float32)[None, :]
    end = tl.minimum((part + 1) * span, position)
    for begin in range(part * span, end, BLOCK):
        columns = begin + tl.arange(0, BLOCK)
        inside = columns < end
        at = cached + columns.to(tl.int64)[:, None] * column + place[None, :]
        seen_low = tl.load(keys + at, mask=inside[:, None], other=0.0).to(tl.float32)
        seen_high = tl.load(keys + at + HALF, mask=inside[:, None], other=0.0).to(tl.float32)
        scores = tl.sum(query_low[:, None, :] * seen_low[None, :, :], 2)
        scores += tl.sum(query_high[:, None, :] * seen_high[None, :, :], 2)
        scores = tl.where(inside[None, :], scores, float("-inf"))
        newest = tl.maximum(best, tl.max(scores, 1))
        fading = tl.exp(best - newest)
        weights = tl.exp(scores - newest[:, None])
        seen_low = tl.load(values + at, mask=inside[:, None], other=0.0).to(tl.float32)
        seen_high = tl.load(values + at + HALF, mask=inside[:, None], other=0.0).to(tl.float32)
        total = total * fading + tl.sum(weights, 1)
        low = low * fading[:, None] + tl.sum(weights[:, :, None] * seen_low[None, :, :], 1)
        high = high * fading[:, None] + tl.sum(weights[:, :, None] * seen_high[None, :, :], 1)
        best = newest
    group = row * key_heads + head
    if PARTS > 1:
        state = states + ((group * PARTS + part) * GROUP + member) * (2 * HALF + 2)
        tl.store(state[:, None] + place[None, :], low)
        tl.store(state[:, None] + HALF + place[None, :], high)
        tl.store(state + 2 * HALF, best)
        tl.store(state + 2 * HALF + 1, total)
        tl.debug_barrier()  # all stores of this part, before it counts as arrived
        if tl.atomic_add(arrivals + group, 1, sem="acq_rel") == PARTS - 1:
            tl.debug_barrier()
            _join(states, made, group, GROUP, HALF, PARTS)
            tl.store(arrivals + group, 0)
    else:
        out = made + ((group * GROUP + member) * 2 * HALF)[:, None] + place[None, :]
        kind = made.dtype.element_ty
        tl.store(out, (low / total[:, None]).to(kind))
        tl.store(out + HALF, (high / total[:, None]).to(kind))


@triton.jit
def _join(states, made, group, GROUP: tl.constexpr, HALF: tl.constexpr, PARTS: tl.constexpr):
    """Join all parts of one row and key head.  Reads past the first-level cache: other parts do not update it."""
    place, member = tl.arange(0, HALF), tl.arange(0, GROUP)
    best = tl.full([GROUP], float("-inf"), tl.float32)
    total = tl.zeros([GROUP], tl.float32)
    low = tl.zeros([GROUP, HALF], tl.float32)
    high = tl.zeros([GROUP, HALF], tl.float32)
    for part in range(PARTS):  # the first one holds the new token: its best score is finite
        state = states + ((group * PARTS + part) * GROUP + member) * (2 * HALF + 2)
        theirs = tl.load(state + 2 * HALF, cache_modifier=".cg")
        newest = tl.maximum(best, theirs)
        fading, weight = tl.exp(best - newest), tl.exp(theirs - newest)
        other = tl.load(state + 2 * HALF + 1, cache_modifier=".cg")
        other_low = tl.load(state[:, None] + place[None, :], cache_modifier=".cg")
        other_high = tl.load(state[:, None] + HALF + place[None, :], cache_modifier=".cg")
        total = total * fading + other * weight
        low = low * fading[:, None] + other_low * weight[:, None]
        high = high * fading[:, None] + other_high * weight[:, None]
        best = newest
    out = made + ((group * GROUP + member) * 2 * HALF)[:, None] + place[None, :]
    kind = made.dtype.element_ty
    tl.store(out, (low / total[:, None]).to(kind))
    tl.store(out + HALF, (high / total[:, None]).to(kind))
