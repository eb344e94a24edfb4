"""A clip in a ragged batch comes out as it does alone, and alone as it does from the vendor's own forward."""

from typing import Any

import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.acoustic.encoder import Layout, RaggedEncoder  # noqa: E402
from workers.engines.granite.acoustic.mel import Mel  # noqa: E402
from workers.engines.granite.compat import modules_of  # noqa: E402 - needs the optional extra

SECONDS = [0.3, 12.5, 4.0, 0.19, 8.02, 4.02, 3.98, 1.0]
EXACT = 5e-6
"""fp32 sums in another order; padding that leaks makes 1e-1."""


@pytest.fixture(scope="module")
def features() -> list[Any]:
    mel = Mel.on(torch.device("cpu"))
    return [
        mel.features(torch.from_numpy(tiny_granite.babble(s, i))) for i, s in enumerate(SECONDS)
    ]


@pytest.mark.parametrize("operators", [False, True], ids=["torch", "operators"])
def test_a_ragged_batch_equals_the_vendor_clip_by_clip(
    vendor: Any, features: list[Any], operators: bool
) -> None:
    # given
    model = modules_of(vendor[1]).acoustic
    encoder = RaggedEncoder(modules_of(vendor[1]))
    encoder.with_operators = operators

    # when
    with torch.inference_mode():
        hidden = encoder.hidden(features)
        heard = encoder.audio_tokens(hidden)

    # then
    with torch.inference_mode():
        for clip, one, tokens in zip(features, hidden, heard, strict=True):
            alone = model.encoder(clip[None]).last_hidden_state
            assert (one - alone[0]).abs().max() < EXACT
            assert (tokens - model.projector(alone)[0]).abs().max() < EXACT
            assert len(tokens) == -(-len(clip) // 15) * 3


def test_the_stock_forward_would_not_pass_this_test(vendor: Any, features: list[Any]) -> None:
    """The bound is effective: padding that leaks is far above the bound."""
    longest = max(len(clip) for clip in features)
    padded = torch.stack(
        [torch.nn.functional.pad(clip, (0, 0, 0, longest - len(clip))) for clip in features]
    )

    with torch.inference_mode():
        batched = modules_of(vendor[1]).acoustic.encoder(padded).last_hidden_state
        alone = modules_of(vendor[1]).acoustic.encoder(features[0][None]).last_hidden_state[0]

    assert (batched[0, : len(alone)] - alone).abs().max() > 1_000 * EXACT


def test_the_order_of_a_batch_does_not_matter(vendor: Any, features: list[Any]) -> None:
    encoder = RaggedEncoder(modules_of(vendor[1]))

    with torch.inference_mode():
        one_way = encoder.hidden(features)
        other_way = encoder.hidden(features[::-1])[::-1]

    for one, other in zip(one_way, other_way, strict=True):
        assert (one - other).abs().max() < EXACT


def test_batch_norm_stays_in_fp32_when_the_rest_is_bf16(vendor: Any, features: list[Any]) -> None:
    import copy

    from workers.engines.granite.loading import prepared

    model = prepared(copy.deepcopy(vendor[1]).bfloat16(), torch.device("cpu"))

    norm = modules_of(model).acoustic.encoder.layers[0].conv.batch_norm
    assert {norm.weight.dtype, norm.running_var.dtype} == {torch.float32}
    with torch.inference_mode():
        rough = RaggedEncoder(modules_of(model)).hidden(features)
        fine = RaggedEncoder(modules_of(vendor[1])).hidden(features)
    assert rough[1].dtype == torch.bfloat16
    assert (rough[1].float() - fine[1]).abs().mean() < 0.05


def test_frames_lie_packed_and_only_attention_and_convolution_know_gaps() -> None:
    layout = Layout.of([3, 5], context=4, gap=2, device=torch.device("cpu"))

    assert layout.in_blocks.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert layout.real.int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    assert layout.on_line.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]


def test_blocks_are_no_longer_than_the_longest_clip() -> None:
    layout = Layout.of([3, 2], context=200, gap=7, device=torch.device("cpu"))

    assert layout.real.shape == (2, 3)
