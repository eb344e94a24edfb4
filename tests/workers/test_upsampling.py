"""What an engine gets of a segment that is stored at 8 kHz: the telephone band, and nothing else."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.audio import Pcm
from workers.engines.base import Samples
from workers.upsampling import engine_samples


def noise(length: int, *, deviation: float = 5_000, seed: int = 1) -> Pcm:
    made = np.random.default_rng(seed).normal(0, deviation, length)
    return made.clip(-32_768, 32_767).astype(np.int16)


def tone(hertz: float, seconds: float = 1.0) -> Pcm:
    at = np.arange(round(seconds * 8_000)) / 8_000
    pcm: Pcm = np.rint(10_000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)
    return pcm


def streamed(pcm: Pcm, sizes: list[int]) -> Samples:
    """What older gateways stored: soxr's stream, fed piece by piece, in 16 bits."""
    stream = soxr.ResampleStream(8_000, 16_000, 1, dtype="float32", quality=soxr.HQ)
    given, at = list[Samples](), 0
    while at < len(pcm):
        piece = pcm[at : at + sizes[len(given) % len(sizes)]]
        given.append(stream.resample_chunk(piece.astype(np.float32)))
        at += len(piece)
    rest = stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
    whole = np.concatenate([*given, rest])[: 2 * len(pcm)]
    stored: Samples = np.rint(whole).clip(-32_768, 32_767) / np.float32(32_768)
    return stored


def decibels_above(samples: Samples, hertz: float) -> float:
    """Energy above `hertz` relative to all of it."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    above = np.fft.rfftfreq(len(samples), 1 / 16_000) > hertz
    return float(10 * np.log10(power[above].sum() / power.sum()))


def gain(samples: Samples, original: Pcm) -> float:
    """Decibels by which the samples are stronger, without their ends."""
    audio = (samples, original / 32_768)
    power = [float(np.mean(np.square(x[500:-500], dtype=np.float64))) for x in audio]
    return float(10 * np.log10(power[0] / power[1]))


@settings(deadline=None)
@given(length=st.integers(1, 9_000), sizes=st.lists(st.integers(1, 900), min_size=1, max_size=5))
def test_a_whole_segment_sounds_as_the_stream_of_older_gateways(
    length: int, sizes: list[int]
) -> None:
    pcm = noise(length)

    samples = engine_samples(pcm)

    assert samples.dtype == np.float32
    assert len(samples) == 2 * length
    assert np.abs(samples - streamed(pcm, sizes)).max() * 32_768 <= 1


def test_what_follows_the_segment_changes_only_its_last_ten_milliseconds() -> None:
    pcm = noise(8_000)
    followed = np.concatenate([pcm, noise(4_000, seed=2)])

    difference = np.abs(engine_samples(pcm) - engine_samples(followed)[:16_000]) * 32_768

    assert difference[:-160].max() <= 1


@pytest.mark.parametrize(
    "pcm",
    [
        pytest.param(tone(3_400, 2), id="a tone at the top of the telephone band"),
        pytest.param(noise(16_000), id="white noise"),
    ],
)
def test_no_images_above_the_telephone_band(pcm: Pcm) -> None:
    # Measured: -94 dB for the tone, -88 dB for noise; 16 bits of rounding alone give about -90.
    assert decibels_above(engine_samples(pcm), 4_200) < -80


@pytest.mark.parametrize("hertz", [100, 1_000, 3_000, 3_400, 3_700])
def test_the_telephone_band_keeps_its_level(hertz: float) -> None:
    pcm = tone(hertz)

    assert gain(engine_samples(pcm), pcm) == pytest.approx(0, abs=0.1)


def test_loud_audio_is_clipped_and_never_wraps() -> None:
    square = np.where(np.arange(8_000) // 8 % 2, 32_767, -32_768).astype(np.int16)

    samples = engine_samples(square)

    # The overshoot beside an edge would wrap to the other sign.
    middles = [slice(start + 4, start + 12) for start in range(800, 15_200, 16)]
    assert all((np.sign(samples[m]) == np.sign(samples[m][0])).all() for m in middles)
    assert (samples.min(), samples.max()) == (-1.0, np.float32(32_767 / 32_768))


def test_sixteen_kilohertz_pass_unchanged() -> None:
    pcm = noise(999)

    assert np.array_equal(engine_samples(pcm, 16_000) * 32_768, pcm)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_no_audio_stays_no_audio(rate: int) -> None:
    assert len(engine_samples(np.zeros(0, dtype=np.int16), rate)) == 0
