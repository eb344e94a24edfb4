"""The two voices of the demo call, mixed into one channel, are told apart by the real encoder."""

from pathlib import Path

import numpy as np
import pytest
import soxr
from support.wav import read_wav

from workers.speakers.clustering import KnownSpeakers, assign
from workers.speakers.voice_encoder import SIZE, VoiceEncoder
from workers.speakers.weights import InstalledVoices, SpeakersError, encoder_of

DEMO = Path(__file__).parents[3] / "cli" / "demo" / "call.wav"


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    found = encoder_of()
    if found is None:
        pytest.skip("no weights: `make install`, or trunkline fetch speakers")
    return found


def test_two_voices_of_a_call_are_two_speakers(encoder: VoiceEncoder) -> None:
    channels = np.stack(read_wav(DEMO)[1], axis=1).astype(np.float32) / 32_768
    mixed = channels.sum(axis=1)
    known, found = KnownSpeakers(), []
    for at in range(0, len(mixed) - 24_000, 24_000):
        levels = np.sqrt(np.mean(channels[at : at + 24_000] ** 2, axis=0))
        if levels.max() < 30 * levels.min() or levels.max() < 0.01:
            continue  # both speak, or nobody
        samples = soxr.resample(mixed[at : at + 24_000], 8_000, 16_000)
        assigned = assign(known, encoder.windows(samples, 12_800).vectors, 2)
        known = assigned.known
        found += [(int(levels.argmax()), speaker) for speaker in assigned.speakers]

    assert len(found) > 20
    same = sum(channel == speaker for channel, speaker in found) / len(found)
    assert max(same, 1 - same) > 0.9
    assert len(known.voices) == 2


@pytest.mark.parametrize("seconds", [0.3, 1.6, 7.0])
def test_each_window_has_a_vector_of_length_one(encoder: VoiceEncoder, seconds: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, int(16_000 * seconds)).astype(np.float32)

    windows = encoder.windows(noise, 12_800)

    assert windows.vectors.shape == (len(windows.centres), SIZE)
    np.testing.assert_allclose(np.linalg.norm(windows.vectors, axis=1), 1.0, atol=1e-4)
    assert windows.centres[-1] <= len(noise)


def test_the_encoder_is_loaded_once_and_only_when_it_is_needed(encoder: VoiceEncoder) -> None:
    loaded = []

    def load() -> VoiceEncoder:
        loaded.append(True)
        return encoder

    voices = InstalledVoices(load)
    assert loaded == []
    for _ in range(2):
        assert voices.windows(np.zeros(8_000, np.float32), 12_800) is not None
    assert loaded == [True]


def test_damaged_weights_tell_no_speakers_and_end_no_work() -> None:
    def load() -> VoiceEncoder:
        raise SpeakersError("damaged")

    assert InstalledVoices(load).windows(np.zeros(8_000, np.float32), 12_800) is None
