"""
The Triton kernels compute what torch computes: in Triton's interpreter, on a CPU.

They run where Triton is installed, with TRITON_INTERPRET=1 (set before Triton is imported); skipped elsewhere.
"""

import os
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the optional extra `granite` is not installed")

from workers.engines.granite.kernels import operators  # noqa: E402
from workers.engines.granite.kernels.splitting import parts_of  # noqa: E402


@pytest.fixture(scope="module")
def kernels() -> Any:
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1")
    return operators.kernels()


def random(*shape: int, dtype: Any) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])


def assert_same(ours: Any, in_fp32: Any) -> None:
    """Equal to the result in fp32, except for the last bit of the type of `ours` (Triton's interpreter cuts it)."""
    step = torch.finfo(ours.dtype).eps
    torch.testing.assert_close(ours.float(), in_fp32, rtol=2 * step, atol=8 * step)


@DTYPES
@pytest.mark.parametrize(("tokens", "size"), [(1, 256), (5, 4_096), (3, 1_500)])
def test_gated(kernels: Any, tokens: int, size: int, dtype: Any) -> None:
    both = random(tokens, 2 * size, dtype=dtype)

    assert_same(kernels.gated(both), operators.gated(both.float()))


@DTYPES
@pytest.mark.parametrize("parts", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("rows", "queries", "key_heads", "size"), [(1, 4, 2, 32), (3, 16, 4, 128), (2, 16, 4, 4)]
)
def test_attention_of_a_step(
    kernels: Any, rows: int, queries: int, key_heads: int, size: int, parts: int, dtype: Any
) -> None:
    # given: rows at the beginning, in the middle and at the end of the width
    heads = random(rows, queries + 2 * key_heads, size, dtype=dtype)
    cos, sin = random(200, size, dtype=dtype), random(200, 2 * size, dtype=dtype)[:, size:].clone()
    positions = torch.tensor([0, 70, 159][:rows])
    shape = (2, 4, 192, key_heads, size)
    before = [random(*shape, dtype=dtype), random(*shape, dtype=dtype) + 1]
    ours, theirs = [one.clone() for one in before], [one.clone().float() for one in before]
    arrivals = torch.zeros(4 * key_heads, dtype=torch.int32)
    scale = size**-0.5

    # when: layer 1 of a cache of two, twice
    for _ in range(2):
        heard = kernels.attend_step(
            heads, cos, sin, positions, ours[0][1], ours[1][1], arrivals, 160, scale, parts
        )
    plain = [one.float() for one in (heads, cos, sin)]
    expected = operators.attend_step(
        *plain, positions, theirs[0][1], theirs[1][1], arrivals, 160, scale
    )

    # then
    assert_same(heard, expected)
    assert not arrivals.any()
    for one, other, old in zip(ours, theirs, before, strict=True):
        assert_same(one, other)
        assert int((one != old).any(-1).sum()) == rows * key_heads


@DTYPES
def test_prompts_are_turned_and_stored(kernels: Any, dtype: Any) -> None:
    # given: prompts of 5 and 3 tokens, in slots 1 and 2 of a cache with 8 columns
    queries, key_heads, size = 4, 2, 8
    heads = random(8, queries + 2 * key_heads, size, dtype=dtype)
    cos, sin = random(16, size, dtype=dtype), random(16, 2 * size, dtype=dtype)[:, size:].clone()
    columns = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
    cached = torch.tensor([8, 9, 10, 11, 12, 16, 17, 18])
    padded = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])
    ours = [torch.zeros(4, 8, key_heads, size, dtype=dtype) for _ in range(2)]
    theirs = [torch.zeros(4, 8, key_heads, size) for _ in range(2)]

    # when
    made = kernels.turn_prompt(heads, cos, sin, columns, cached, padded, *ours, 10)
    plain = [one.float() for one in (heads, cos, sin)]
    expected = operators.turn_prompt(*plain, columns, cached, padded, *theirs, 10)

    # then: the padding of `made` is not initialised
    assert_same(made[:8], expected[:8])
    for one, other in zip(ours, theirs, strict=True):
        assert_same(one, other)
        assert int(one.count_nonzero()) == 8 * key_heads * size


@DTYPES
@pytest.mark.parametrize("channels", [16, 1_500])
def test_convolution_of_clips(kernels: Any, channels: int, dtype: Any) -> None:
    # given: clips of 1, 20 and 3 frames
    opened, weight = random(24, channels, dtype=dtype), random(channels, 15, dtype=dtype)
    first, end = torch.tensor([0] + [1] * 20 + [21] * 3), torch.tensor([1] + [21] * 20 + [24] * 3)
    scale, shift = (
        random(channels, dtype=torch.float32),
        random(channels + 1, dtype=torch.float32)[1:],
    )

    # when
    made = kernels.convolve(opened, first, end, weight, scale, shift)

    # then
    expected = operators.convolve(opened.float(), first, end, weight.float(), scale, shift)
    assert_same(made, expected)


@pytest.mark.parametrize(
    ("width", "groups", "parts"), [(128, 4, 2), (1_024, 4, 16), (1_024, 32, 8), (1_024, 256, 1)]
)
def test_columns_are_split_only_while_the_gpu_has_room(width: int, groups: int, parts: int) -> None:
    assert parts_of(width, groups, processors=132) == parts
