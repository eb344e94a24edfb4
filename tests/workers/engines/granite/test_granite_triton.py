"""
The Triton kernels compute what torch computes: in Triton's interpreter, on a CPU.

They run where Triton is installed, with TRITON_INTERPRET=1 (set before Triton is imported); skipped elsewhere.
"""

import os
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the optional extra `granite` is not installed")

from workers.engines.granite.text import fused_kernels  # noqa: E402


@pytest.fixture(scope="module")
def kernels() -> Any:
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1")
    return fused_kernels.kernels()


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

    assert_same(kernels.gated(both), fused_kernels.gated(both.float()))


@DTYPES
@pytest.mark.parametrize(
    ("rows", "queries", "key_heads", "size"), [(1, 4, 2, 32), (3, 16, 4, 128), (2, 16, 4, 4)]
)
def test_turned_and_stored(
    kernels: Any, rows: int, queries: int, key_heads: int, size: int, dtype: Any
) -> None:
    # given
    heads = random(rows, queries + 2 * key_heads, size, dtype=dtype)
    cos, sin = random(64, size, dtype=dtype), random(64, 2 * size, dtype=dtype)[:, size:].clone()
    positions = torch.tensor([0, 17, 63][:rows])
    shape = (2, 4, 64, key_heads, size)
    ours = [torch.zeros(shape, dtype=dtype) for _ in range(2)]
    theirs = [torch.zeros(shape) for _ in range(2)]

    # when: layer 1 of a cache of two
    turned = kernels.turn_and_store(heads, cos, sin, positions, ours[0][1], ours[1][1])
    plain = [one.float() for one in (heads, cos, sin)]
    expected = fused_kernels.turn_and_store(*plain, positions, theirs[0][1], theirs[1][1])

    # then
    assert_same(turned, expected)
    for one, other in zip(ours, theirs, strict=True):
        assert_same(one, other)
        assert int(one.count_nonzero()) == rows * key_heads * size
