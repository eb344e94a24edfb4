"""The features, against an independent computation in double precision and against the vendor's extractor."""

from typing import Any

import numpy as np
import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.acoustic.mel import LEAST_SAMPLES, Mel, frames_in  # noqa: E402 - needs the optional extra

MEL = Mel.on(torch.device("cpu"))


def by_the_book(audio: Any) -> Any:
    """Log mel power as the definition has it, frame by frame, in float64."""
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    whole = np.pad(audio.astype(np.float64), 256, mode="reflect")
    frames = [whole[start : start + 512] * window for start in range(0, len(audio) + 1, 160)]
    power = np.abs(np.fft.rfft(np.stack(frames))) ** 2
    corners = 700.0 * (
        10.0 ** (np.linspace(0.0, 2595.0 * np.log10(1 + 8000.0 / 700.0), 82) / 2595.0) - 1.0
    )
    bins = np.linspace(0.0, 8000.0, 257)
    bands = [np.interp(bins, corners[band : band + 3], [0.0, 1.0, 0.0]) for band in range(80)]
    return np.log10(np.maximum(power @ np.stack(bands).T, 1e-10))


@pytest.mark.parametrize("seconds", [0.3, 1.01, 2.5])
def test_log_power_is_what_the_definition_says(seconds: float) -> None:
    audio = (
        tiny_granite.babble(seconds, 5)
        + tiny_granite.hiss(seconds, 5, 0.01)[: round(seconds * 16_000)]
    )

    found = MEL.log_power(torch.from_numpy(audio)).numpy()

    assert found.shape == (1 + len(audio) // 160, 80)
    assert np.abs(found - by_the_book(audio)).max() < 2e-3


@pytest.mark.parametrize("samples", [4_800, 4_801, 16_159, 16_160, 50_000])
def test_features_equal_those_of_the_vendor(vendor: Any, samples: int) -> None:
    audio = torch.from_numpy(tiny_granite.babble(4.0, 8)[:samples])

    found = MEL.features(audio)

    expected = vendor[0].audio_processor(audio)["input_features"][0]
    assert found.shape == expected.shape == (frames_in(samples), 160)
    assert torch.equal(found, expected)


def test_a_batch_of_clips_has_the_features_of_each_clip() -> None:
    lengths = [4_800, 1, 16_159, 50_000, 256, 4_801]
    clips = [tiny_granite.babble(4.0, seed)[:length] for seed, length in enumerate(lengths)]

    found = MEL.batch(clips)

    for one, clip in zip(found, clips, strict=True):
        alone = MEL.features(torch.from_numpy(clip))
        assert one.shape == alone.shape
        assert torch.allclose(one, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("samples", [0, 1, 256, 4_799])
def test_a_clip_that_is_too_short_is_filled_up_with_silence(samples: int) -> None:
    audio = torch.ones(samples) * 0.1

    found = MEL.features(audio)

    filled = torch.cat([audio, torch.zeros(LEAST_SAMPLES - samples)])
    assert torch.equal(found, MEL.features(filled))
    assert len(found) == frames_in(samples) == 15


@pytest.mark.long
def test_torchaudio_is_not_needed(tiny: Any) -> None:
    """In a process of its own: this one has lent the vendor a transform."""
    import subprocess
    import sys

    program = (
        "import sys, numpy; sys.modules['torchaudio'] = None\n"
        "from workers.engines.base import Utterance\n"
        "from workers.engines.granite import GraniteSettings, load\n"
        f"engine = load(GraniteSettings(model={str(tiny)!r}, max_batch=1))\n"
        "print(engine.transcribe([Utterance(numpy.zeros(16000, numpy.float32))])[0].text == '')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == "True", done.stderr[-2000:]
