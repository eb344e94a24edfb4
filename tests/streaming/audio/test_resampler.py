import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from protocol.audio import Pcm
from streaming.audio.resampler import Halver, RateConverter, to_pcm


def noise(length: int, *, deviation: float = 5_000, seed: int = 1) -> Pcm:
    return to_pcm(np.random.default_rng(seed).normal(0, deviation, length).astype(np.float32))


def tone(hertz: float, seconds: float, rate: int) -> Pcm:
    at = np.arange(round(seconds * rate)) / rate
    return to_pcm((10_000 * np.sin(2 * np.pi * hertz * at)).astype(np.float32))


def decibels_above(pcm: Pcm, hertz: float, rate: int) -> float:
    """Energy above `hertz` relative to all of it."""
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    above = np.fft.rfftfreq(len(pcm), 1 / rate) > hertz
    return float(10 * np.log10(power[above].sum() / power.sum()))


def gain(pcm: Pcm, original: Pcm) -> float:
    """Decibels by which `pcm` is stronger, without its ends."""
    power = [float(np.mean(np.square(x[500:-500], dtype=np.float64))) for x in (pcm, original)]
    return float(10 * np.log10(max(power[0], 1e-3) / power[1]))


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 500), max_size=30))
def test_halving_does_not_depend_on_the_pieces(sizes: list[int]) -> None:
    pcm = noise(sum(sizes))
    halver = Halver()

    pieces = [halver.feed(piece) for piece in np.split(pcm, np.cumsum(sizes))]

    halved = np.concatenate(pieces).astype(np.int32)
    assert len(halved) == len(pcm) // 2
    assert np.abs(halved - Halver().feed(pcm)).max(initial=0) <= 1


@pytest.mark.parametrize("hertz", [100, 1_000, 3_000, 3_400])
def test_halving_keeps_speech(hertz: float) -> None:
    halved = Halver().feed(tone(hertz, 1, 16_000))

    assert gain(halved, tone(hertz, 1, 8_000)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hertz", [4_700, 5_500, 7_000])
def test_halving_folds_nothing_into_speech(hertz: float) -> None:
    wide = tone(hertz, 1, 16_000)

    assert gain(Halver().feed(wide), wide) < -40


def test_halving_has_no_lag_to_speak_of() -> None:
    click: npt.NDArray[np.int16] = np.zeros(1_000, dtype=np.int16)
    click[500] = 20_000

    halved = Halver().feed(click)

    assert abs(int(np.argmax(np.abs(halved))) - 250) <= 16, "2 ms"


def converted(pcm: Pcm, rate: int, sizes: list[int]) -> Pcm:
    converter = RateConverter(rate)
    given: list[Pcm] = []
    at = 0
    while at < len(pcm):
        size = sizes[len(given) % len(sizes)]
        given.append(converter.feed(pcm[at : at + size]))
        at += size
    return np.concatenate([*given, converter.flush()])


@pytest.mark.parametrize("rate", [8_000, 8_001, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_a_converted_tone_keeps_its_pitch_and_the_count_is_exact(rate: int) -> None:
    pcm = converted(tone(1_000, 1, rate), rate, [rate // 50, 1, 777])

    to = 8_000 if rate == 8_000 else 16_000
    assert len(pcm) == rate * to // rate
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    assert abs(int(np.argmax(power)) - 1_000) <= 1
    assert decibels_above(pcm, 1_100, to) < -50


@settings(max_examples=examples(60), deadline=None)
@given(
    rate=st.integers(8_000, 48_000),
    start=st.integers(0, 10**6),
    steps=st.lists(
        st.tuples(st.sampled_from(["feed", "flush", "skip"]), st.integers(0, 3_000)), max_size=12
    ),
)
def test_no_sample_is_gained_or_lost_whatever_is_fed_flushed_and_skipped(
    rate: int, start: int, steps: list[tuple[str, int]]
) -> None:
    converter = RateConverter(rate, start)
    fed = given = 0
    for step, samples in steps:
        match step:
            case "feed":
                given += len(converter.feed(np.zeros(samples, dtype=np.int16)))
                fed += samples
            case "flush":
                given += len(converter.flush())
            case _:
                given += len(converter.flush()) + converter.skip(samples)
                fed += samples
        assert given <= converter.position(start + fed) - converter.position(start)

    given += len(converter.flush())

    assert given == converter.position(start + fed) - converter.position(start)
    assert converter.given == converter.position(start + fed)


def test_above_the_engines_band_nothing_is_folded_back() -> None:
    pcm = converted(tone(11_000, 1, 48_000), 48_000, [960])

    assert np.abs(pcm[500:-500]).max() < 20
