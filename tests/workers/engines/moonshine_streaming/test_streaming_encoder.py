"""The encoder for audio in pieces gives the vectors that transformers' encoder gives for the whole."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

made_moonshine = pytest.importorskip("support.made_moonshine")

import torch  # noqa: E402 - needs the optional extra

from workers.engines.moonshine_streaming.encoder import (  # noqa: E402
    EncoderState,
    StreamingEncoder,
)

FRAME, VECTOR = 80, 320
SPEECH = made_moonshine.speech(4.0, seed=3)


def near(vectors: Any, others: Any) -> bool:
    return vectors.shape == others.shape and bool(torch.allclose(vectors, others, atol=2e-5))


def in_pieces(encoder: StreamingEncoder, samples: Any, cuts: list[int]) -> list[Any]:
    """The final vectors of each piece, and at last all others."""
    audio, state, at, found = torch.from_numpy(samples), encoder.start(), 0, []
    for cut in sorted(min(one, len(samples)) for one in cuts):
        encoded = encoder.advance(state, audio[at:cut])
        assert encoded.final == len(encoded.vectors)
        found.append(encoded.vectors)
        at, state = cut, encoded.state
    found.append(encoder.advance(state, audio[at:], audio[:0]).vectors)
    return found


def tensors_of(state: EncoderState) -> list[Any]:
    frontend = state.frontend
    layers = [each for one in state.layers for each in (one.pending, one.keys, one.values)]
    return [frontend.rest, frontend.frames, frontend.halves, *layers]


@settings(max_examples=examples(25))
@given(
    length=st.integers(FRAME, len(SPEECH)),
    cuts=st.lists(st.integers(0, len(SPEECH)), max_size=12),
)
def test_any_pieces_give_the_vectors_of_the_whole(
    vendor: Any, length: int, cuts: list[int]
) -> None:
    samples = SPEECH[:length]

    found = in_pieces(StreamingEncoder(vendor.model.encoder), samples, cuts)

    assert near(torch.cat(found), made_moonshine.encoded(vendor, samples))


@pytest.mark.parametrize("length", [80, 81, 159, 160, 161, 319, 320, 321, 1_279, 1_281, 1_600])
def test_an_end_that_is_no_whole_frame_is_masked_as_the_vendor_masks_it(
    vendor: Any, length: int
) -> None:
    samples = SPEECH[:length]

    (vectors,) = in_pieces(StreamingEncoder(vendor.model.encoder), samples, [])

    assert near(vectors, made_moonshine.encoded(vendor, samples))


@pytest.mark.parametrize("length", [0, 1, FRAME - 1])
def test_audio_shorter_than_a_frame_has_no_vectors(vendor: Any, length: int) -> None:
    (vectors,) = in_pieces(StreamingEncoder(vendor.model.encoder), SPEECH[:length], [])

    assert vectors.shape == (0, vendor.config.encoder_config.hidden_size)


def test_a_tail_gives_what_it_would_give_as_the_end_and_leaves_no_trace(vendor: Any) -> None:
    encoder, audio = StreamingEncoder(vendor.model.encoder), torch.from_numpy(SPEECH)
    begun = encoder.advance(encoder.start(), audio[:20_000])
    plain = encoder.advance(begun.state, audio[20_000:30_000])

    with_tail = encoder.advance(begun.state, audio[20_000:30_000], audio[30_000:31_111])

    whole = torch.cat([begun.vectors, with_tail.vectors])
    assert near(whole, made_moonshine.encoded(vendor, SPEECH[:31_111]))
    assert with_tail.final == len(plain.vectors)
    for one, other in zip(tensors_of(with_tail.state), tensors_of(plain.state), strict=True):
        assert near(one, other)


def test_each_vector_is_final_as_soon_as_its_lookahead_is_heard(vendor: Any) -> None:
    encoder = StreamingEncoder(vendor.model.encoder)
    seconds = 3

    encoded = encoder.advance(encoder.start(), torch.from_numpy(SPEECH[: seconds * 16_000]))

    assert encoder.lookahead == sum(max(0, ahead - 1) for _, ahead in made_moonshine.WINDOWS)
    assert encoded.final == 50 * seconds - encoder.lookahead


def test_the_state_does_not_grow_with_the_utterance(vendor: Any) -> None:
    encoder = StreamingEncoder(vendor.model.encoder)
    state, sizes = encoder.start(), []
    for start in range(0, len(SPEECH), 8_000):
        state = encoder.advance(state, torch.from_numpy(SPEECH[start : start + 8_000])).state
        sizes.append(sum(each.untyped_storage().nbytes() for each in tensors_of(state)))

    assert len(set(sizes)) == 1
    width = vendor.config.encoder_config.hidden_size
    most = [before - 1 + 2 * max(0, ahead - 1) for before, ahead in made_moonshine.WINDOWS]
    assert sizes[0] <= 4 * (sum(most) * (2 * 40 + width) + 12 * 3 * width + FRAME)


def test_windows_of_the_vendors_sizes_are_followed_too() -> None:
    """The default config: windows of 16 and 4, 240 ms of lookahead."""
    from transformers import (
        MoonshineStreamingConfig,
        MoonshineStreamingEncoderConfig,
        MoonshineStreamingForConditionalGeneration,
    )

    heads: dict[str, Any] = {"num_key_value_heads": 4}
    small: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 4}
    config = MoonshineStreamingConfig(
        encoder_config=MoonshineStreamingEncoderConfig(**small, num_key_value_heads=2),
        vocab_size=20, num_hidden_layers=1, **heads, **small,
    )  # fmt: skip
    torch.manual_seed(1)
    model = MoonshineStreamingForConditionalGeneration(config).eval()
    made_moonshine.loosen(model)
    encoder = StreamingEncoder(model.model.encoder)

    found = in_pieces(encoder, SPEECH, list(range(0, len(SPEECH), 7_777)))

    assert near(torch.cat(found), made_moonshine.encoded(model, SPEECH))
    assert encoder.lookahead * VECTOR == 0.24 * 16_000
    assert np.abs(torch.cat(found).numpy()).max() > 0.5
