"""Silero in numpy gives the same results as onnxruntime for the same model file."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cli.recording import read_recording
from protocol.audio import Pcm
from streaming.audio.voice_activity.silero import CONTEXT, WINDOW, Silero, VadQuery, silero_weights

_CALL = Path(__file__).parents[3] / "cli" / "demo" / "call.wav"


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return read_recording(_CALL).channels[0]


def test_the_network_gives_what_onnxruntime_gives_on_speech(speech: Pcm) -> None:
    # given the reference, and both channels of memory
    weights = silero_weights()
    assert weights is not None
    reference = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    silero = Silero(weights)
    memory = np.zeros((2, 128), dtype=np.float32)
    expected_memory = memory[:, None]

    # when both follow twelve seconds of speech
    for start in range(CONTEXT, 12 * 8_000, WINDOW):
        window = speech[start - CONTEXT : start + WINDOW].astype(np.float32) / np.float32(32_768)
        [result] = silero.predict([VadQuery(window[None], memory)])
        asked = {"input": window[None], "state": expected_memory, "sr": np.array(8_000)}
        probability, expected_memory = reference.run(None, asked)

        # then they agree on every window
        memory = result.memory
        assert result.probabilities[0] == pytest.approx(float(probability[0, 0]), abs=1e-4)
    assert np.allclose(memory, expected_memory[:, 0], atol=1e-3)
