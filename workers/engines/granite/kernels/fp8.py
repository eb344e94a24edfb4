"""
Matrix products in FP8 (e4m3): weights with one scale for each output, inputs with one for each token.

Both operands are rounded to eight bits; the sums are fp32.  The scale of a token depends on this token only, so a
result does not depend on the other segments.  **No GPU has run it yet**: the products are compared with
`torch._scaled_mm` on a CPU, the Triton kernel with `quantised` in Triton's interpreter.
"""

import torch

from ...errors import EngineError
from .operators import kernels, uses_triton

E4M3 = torch.float8_e4m3fn
LARGEST = 448.0
"""Largest number of e4m3; larger ones would become it or NaN."""

SMALLEST_SCALE = 1e-12
"""Scale of a row of zeros."""

_CAPABILITY = (8, 9)
"""Compute capability of the first NVIDIA GPUs with FP8: Ada Lovelace, then Hopper with 9.0."""

_STEP = 16
"""Sizes of a matrix must be multiples of it: `torch._scaled_mm`."""


def quantised(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Round `rows` [n, size] to e4m3 with one scale each: values [n, size] and scales, fp32 [n, 1].

    values * scale is the row again, with a relative error of at most 1/16 in each element that is not tiny.
    """
    wide = rows.float()
    scale = (wide.abs().amax(-1, keepdim=True) / LARGEST).clamp(min=SMALLEST_SCALE)
    return (wide / scale).clamp(-LARGEST, LARGEST).to(E4M3), scale


def rounded(rows: torch.Tensor) -> torch.Tensor:
    """`rows` [n, size] after `quantised` and back, in their own type."""
    values, scale = quantised(rows)
    return (values.float() * scale).to(rows.dtype)


@torch.library.custom_op("trunkline::fp8_quantised", mutates_args=())
def quantised_tokens(hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`quantised` as one kernel on a GPU."""
    if uses_triton(hidden):
        values, scale = kernels().quantised(hidden)
        return values, scale
    return quantised(hidden)


@quantised_tokens.register_fake
def _(hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = hidden.new_empty(len(hidden), 1, dtype=torch.float32)
    return torch.empty_like(hidden, dtype=E4M3), scale


def product(hidden: torch.Tensor, values: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """
    `hidden` [tokens, inputs] times the transposed matrix: [tokens, outputs], bf16.

    `values`, `scale`: `quantised` of the matrix, [outputs, inputs] and [outputs, 1].
    """
    tokens, of_tokens = quantised_tokens(hidden)
    made: torch.Tensor = torch._scaled_mm(
        tokens, values.t(), scale_a=of_tokens, scale_b=scale.t(), out_dtype=torch.bfloat16
    )
    return made


def check_fp8(device: torch.device) -> None:
    """Raises EngineError if `device` does not multiply FP8 matrices."""
    remedy = "set granite.precision to full, or use a GPU with FP8 (Ada Lovelace, Hopper or later)"
    if device.type != "cuda":
        raise EngineError(
            f"granite.precision: fp8 needs a GPU, not {device}: {remedy}; fp8-emulated shows the texts"
        )
    found = torch.cuda.get_device_capability(device)
    if found < _CAPABILITY:
        name = torch.cuda.get_device_name(device)
        number = ".".join(map(str, found))
        raise EngineError(f"granite.precision: {name} (capability {number}) has no FP8: {remedy}")
    probe = torch.zeros(_STEP, _STEP, dtype=torch.bfloat16, device=device)
    try:
        product(probe, *quantised(probe))
    except (RuntimeError, NotImplementedError, ValueError) as exc:
        reason = str(exc).splitlines()[0]
        raise EngineError(f"granite.precision: no FP8 on {device}: {reason}; {remedy}") from exc
