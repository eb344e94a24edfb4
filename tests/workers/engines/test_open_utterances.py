"""A partial encodes only the end of its utterance again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.engines.base import Samples
from workers.engines.moonshine.alignment import FRAME
from workers.engines.moonshine.open_utterances import OpenUtterances, encoded
from workers.engines.moonshine.sessions import Floats

_HEARD = 895
"""Samples that the first layers of the encoder hear for one frame."""


class NearEncoder:
    """An encoder whose frames hear nothing but their own audio: the sum of it, and a copy of its first sample."""

    def __init__(self) -> None:
        self.encoded: list[int] = []
        """Samples of each run."""

    def run(self, outputs: None, feed: Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
        """See Net."""
        (samples,) = feed["input_values"]
        self.encoded.append(len(samples))
        windows = np.lib.stride_tricks.sliding_window_view(samples, _HEARD)[::FRAME]
        return [np.stack([windows.sum(axis=1), windows[:, 0]], axis=1)[np.newaxis]]


def sound(seconds: float) -> Samples:
    return np.random.default_rng(1).normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)


def grown(utterances: OpenUtterances, samples: Samples, key: str = "c:0-1") -> Floats:
    """The states after a partial for each half second of `samples`."""
    for end in range(8_000, len(samples), 8_000):
        utterances.encode(key, samples[:end])
    return utterances.encode(key, samples)


def test_the_states_are_those_of_the_whole_where_frames_hear_only_what_is_near() -> None:
    encoder, samples = NearEncoder(), sound(9.3)

    states = grown(OpenUtterances(encoder), samples)

    np.testing.assert_allclose(states, encoded(encoder, samples), rtol=1e-5)


def test_what_a_partial_encodes_does_not_grow_with_its_utterance() -> None:
    encoder = NearEncoder()

    grown(OpenUtterances(encoder), sound(12))

    assert max(encoder.encoded) < 5 * 16_000


def test_resampled_audio_that_was_rounded_otherwise_is_the_same() -> None:
    encoder, samples = NearEncoder(), sound(6)
    utterances = OpenUtterances(encoder)
    grown(utterances, samples)

    utterances.encode("c:0-1", samples + np.float32(1 / 32_768))

    assert encoder.encoded[-1] < len(samples)


def test_other_audio_under_the_same_key_is_encoded_whole() -> None:
    """Another gateway has taken the call over, and cuts it differently."""
    encoder, samples = NearEncoder(), sound(6)
    utterances = OpenUtterances(encoder)
    grown(utterances, samples)

    moved = utterances.encode("c:0-1", -samples)
    shorter = utterances.encode("c:0-1", -samples[:40_000])

    assert encoder.encoded[-2:] == [len(samples), 40_000]
    np.testing.assert_array_equal(moved, encoded(encoder, -samples))
    np.testing.assert_array_equal(shorter, encoded(encoder, -samples[:40_000]))


def test_utterances_are_kept_apart_and_those_without_a_key_not_at_all() -> None:
    encoder, samples = NearEncoder(), sound(6)
    utterances = OpenUtterances(encoder)

    grown(utterances, samples, "")
    utterances.encode("c:1-1", samples)

    assert encoder.encoded[-2:] == [len(samples), len(samples)]


def test_only_some_utterances_are_kept_and_none_that_is_forgotten() -> None:
    encoder, samples = NearEncoder(), sound(6)
    utterances = OpenUtterances(encoder, most=2)
    for key in ("first", "second", "third"):
        utterances.encode(key, samples)
    utterances.forget("third")

    for key in ("first", "second", "third"):
        utterances.encode(key, samples)

    again = [size < len(samples) for size in encoder.encoded[3:]]
    assert again == [False, True, False]
