"""FP8: scales are right, texts do not depend on the batch, and a device without FP8 is refused."""

import copy
import os
from typing import Any

import pytest

from workers.engines.errors import EngineError

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.kernels import operators  # noqa: E402 - needs the optional extra
from workers.engines.granite.kernels.fp8 import check_fp8, product, quantised, rounded  # noqa: E402
from workers.engines.granite.loading import capabilities, prepared, take_apart  # noqa: E402
from workers.engines.granite.settings import GraniteSettings  # noqa: E402
from workers.engines.granite.text.decode import DecodeRow  # noqa: E402
from workers.engines.granite.text.matrices import EmulatedFp8Matrix, Fp8Matrix, matrix_of  # noqa: E402
from workers.engines.granite.text.precision import Precision  # noqa: E402


def random(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e4], ids=str)
def test_each_row_has_a_scale_of_its_own(scale: float) -> None:
    # given: rows of very different size, one of them of zeros
    rows = random(5, 64) * torch.tensor([1.0, 1e-3, 1e3, 0.0, 1.0])[:, None] * scale

    # when
    values, scales = quantised(rows)
    back = values.float() * scales

    # then: three bits after the leading one; what is 2 ** 14 times smaller than the largest may vanish
    assert values.float().isfinite().all()
    least = rows.abs().amax(-1, keepdim=True) * 2**-15
    assert ((back - rows).abs() <= rows.abs() / 16 + least).all()
    assert (back[3] == 0).all()
    assert (values.float().abs().amax(-1)[[0, 1, 2, 4]] == 448).all()


def test_the_product_is_that_of_the_rounded_operands() -> None:
    # given
    hidden, weight = random(7, 64).bfloat16(), random(48, 64).bfloat16()

    # when: torch's FP8 product
    found = product(hidden, *quantised(weight))

    # then: equal to a product of what the operands stand for, except for the last bit of bf16
    (tokens, of_tokens), (values, scale) = quantised(hidden), quantised(weight)
    exact = (tokens.double() * of_tokens) @ (values.double() * scale).t()
    step = torch.finfo(torch.bfloat16).eps
    torch.testing.assert_close(found.double(), exact, rtol=step, atol=step)


def test_the_emulation_rounds_as_fp8_does() -> None:
    # given
    hidden, weight, onto = random(7, 64), random(48, 64), random(7, 48)
    real, emulated = (matrix_of(weight, one) for one in (Precision.FP8, Precision.FP8_EMULATED))
    assert isinstance(real, Fp8Matrix)
    assert isinstance(emulated, EmulatedFp8Matrix)

    # when
    pairs = [
        (real.times(hidden), emulated.times(hidden)),
        (real.added(onto, hidden, 0.22), emulated.added(onto, hidden, 0.22)),
    ]

    # then: the product of the FP8 matrix is rounded to bf16; without scales it would be far away
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=5e-2)


def test_a_token_is_rounded_alone() -> None:
    hidden, weight = random(9, 64), random(48, 64)
    matrix = matrix_of(weight, Precision.FP8)

    together = matrix.times(hidden * torch.logspace(-4, 4, 9)[:, None])
    alone = [
        matrix.times((hidden * torch.logspace(-4, 4, 9)[:, None])[n : n + 1]) for n in range(9)
    ]

    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-2, atol=0)


def test_texts_in_fp8_are_the_same_in_every_batch_and_with_drafts(vendor: Any, parts: Any) -> None:
    # given
    model = prepared(copy.deepcopy(vendor[1]), torch.device("cpu"))
    eighth = take_apart(model, parts.prompts.tokens, Precision.FP8_EMULATED)
    frontend = eighth.frontend
    clips = [tiny_granite.babble(0.5 + number, number) for number in range(6)]
    audio = frontend.audio_tokens(frontend.encode(frontend.wholes(clips)))
    prompts = [eighth.prompts.prompt(one, "transcribe this", ()) for one in audio]

    def texts(rows: list[DecodeRow], slots: int) -> dict[int, tuple[int, ...]]:
        decoder = eighth.decoder_factory(slots, 512, graphs=False).endless()
        waiting, found = list(rows), dict[int, tuple[int, ...]]()
        while waiting or decoder.running:
            if waiting and decoder.free:
                decoder.admit([waiting.pop(0)])
            found |= {one.ticket: one.tokens for one in decoder.step()}
        return found

    # when
    plain = texts([DecodeRow(n, one, 12) for n, one in enumerate(prompts)], 1)
    ragged = texts([DecodeRow(n, one, 12, plain[n][:5]) for n, one in enumerate(prompts)], 4)

    # then: as in full precision
    assert ragged == plain
    assert len(set(plain.values())) > 3
    # and: the matrices that are not used any more are gone
    attention = model.model.language_model.layers[0].self_attn
    assert attention.q_proj.weight.numel() == 0


def test_a_device_without_fp8_is_refused_before_the_weights_are_loaded() -> None:
    with pytest.raises(EngineError, match=r"granite\.precision: fp8 needs a GPU, not cpu.*full"):
        check_fp8(torch.device("cpu"))


def test_fp8_is_off_by_default_and_part_of_the_name() -> None:
    settings = GraniteSettings(model="a/b", revision="0" * 40)
    assert settings.precision is Precision.FULL
    assert "fp8" not in capabilities(settings, 1).name
    chosen = settings.model_copy(update={"precision": Precision.FP8})
    assert capabilities(chosen, 1).name.endswith("+fp8")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_triton_kernel_rounds_as_torch_does(dtype: Any) -> None:
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1")
    rows = (random(5, 96) * torch.logspace(-3, 3, 5)[:, None]).to(dtype)

    values, scale = operators.kernels().quantised(rows)

    torch.testing.assert_close(values.float() * scale, rounded(rows.float()), rtol=1 / 8, atol=0)
    torch.testing.assert_close(scale, quantised(rows)[1])
