"""The two voices of the demo call, mixed into one channel, are told apart by the real encoder."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soxr
from support.wav import read_wav

from workers.speakers.clustering import Floats
from workers.speakers.voice_encoder import HOP, SIZE, VoiceEncoder
from workers.speakers.voice_history import VoiceHistory, assign
from workers.speakers.weights import InstalledVoices, SpeakersError, encoder_of

DEMO = Path(__file__).parents[3] / "cli" / "demo" / "call.wav"


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    found = encoder_of()
    if found is None:
        pytest.skip("no weights: `make install`, or trunkline fetch speakers")
    return found


def labels(
    encoder: VoiceEncoder, mixed: Floats, segments: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Position in samples and speaker of the stretches of segments (first and end), as they are told."""
    history, found = VoiceHistory(), list[tuple[int, int]]()
    for number, (first, end) in enumerate(segments):
        windows = encoder.windows(soxr.resample(mixed[first:end], 8_000, 16_000), HOP)
        centres = (first + windows.centres // 2).tolist()
        history = assign(history, number, centres, windows.vectors, 2)
        found += [((one.first + one.last) // 2, one.speaker) for one in history.of(number)]
    return found


def turns() -> list[tuple[int, int, int]]:
    """First and last sample, and channel, of the turns of the demo call."""
    script = json.loads(DEMO.with_name("script.json").read_text())
    return [
        (round(8_000 * one["start"]), round(8_000 * one["end"]), one["channel"])
        for one in script["turns"]
    ]


@pytest.mark.parametrize(
    "segments",
    [
        pytest.param([(first, end) for first, end, _ in turns()], id="live: a segment a turn"),
        pytest.param(
            [(at, at + 112_000) for at in range(0, 480_000, 112_000)],
            id="recording: several turns in a segment",
            marks=pytest.mark.long,
        ),
    ],
)
def test_two_voices_of_a_call_are_two_speakers(
    encoder: VoiceEncoder, segments: list[tuple[int, int]]
) -> None:
    mixed = np.stack(read_wav(DEMO)[1]).sum(0).astype(np.float32) / 32_768

    found = labels(encoder, mixed, segments)

    spoken = [
        (channel, speaker)
        for at, speaker in found
        for first, end, channel in turns()
        if first + 2_000 <= at < end - 2_000
    ]
    assert len(spoken) > 40
    same = sum(channel == speaker for channel, speaker in spoken) / len(spoken)
    assert max(same, 1 - same) > 0.93


@pytest.mark.parametrize("channel", [0, 1])
def test_one_voice_of_a_call_is_one_speaker(encoder: VoiceEncoder, channel: int) -> None:
    alone = read_wav(DEMO)[1][channel].astype(np.float32) / np.float32(32_768)

    assert {
        speaker for _, speaker in labels(encoder, alone, [(0, 112_000), (112_000, 480_000)])
    } == {0}


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
