import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.audio import Pcm
from streaming.audio.resampler import Halver, RateConverter, Untouched, Upsampler, to_pcm


def noise(length: int, *, deviation: float = 5_000, seed: int = 1) -> Pcm:
    return to_pcm(np.random.default_rng(seed).normal(0, deviation, length).astype(np.float32))


def tone(hertz: float, seconds: float, rate: int) -> Pcm:
    at = np.arange(round(seconds * rate)) / rate
    return to_pcm((10_000 * np.sin(2 * np.pi * hertz * at)).astype(np.float32))


def in_pieces(pcm: Pcm, sizes: list[int]) -> Pcm:
    upsampler = Upsampler()
    given: list[Pcm] = []
    at = 0
    while at < len(pcm):
        size = sizes[len(given) % len(sizes)]
        given.append(upsampler.feed(pcm[at : at + size]))
        at += size
    return np.concatenate([*given, upsampler.flush()])


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
@given(length=st.integers(0, 3_000), sizes=st.lists(st.integers(1, 900), min_size=1, max_size=5))
def test_pieces_sound_like_the_whole(length: int, sizes: list[int]) -> None:
    pcm = noise(length)

    pieces = in_pieces(pcm, sizes).astype(np.int32)

    whole = to_pcm(soxr.resample(pcm.astype(np.float32), 8_000, 16_000, quality=soxr.HQ))
    assert len(pieces) == 2 * length
    assert np.abs(pieces - whole).max(initial=0) <= 1


@pytest.mark.parametrize(
    "pcm",
    [
        pytest.param(tone(3_400, 2, 8_000), id="a tone at the top of the telephone band"),
        pytest.param(noise(16_000), id="white noise"),
    ],
)
def test_no_images_above_the_telephone_band(pcm: Pcm) -> None:
    # Measured: -94 dB for the tone, -88 dB for noise; 16 bits of rounding alone give about -90.
    assert decibels_above(in_pieces(pcm, [160]), 4_200, 16_000) < -80


@pytest.mark.parametrize("hertz", [100, 1_000, 3_000, 3_400, 3_700])
def test_the_telephone_band_keeps_its_level(hertz: float) -> None:
    pcm = tone(hertz, 1, 8_000)

    assert gain(in_pieces(pcm, [160]), pcm) == pytest.approx(0, abs=0.1)


def test_loud_audio_is_clipped_and_never_wraps() -> None:
    square = np.where(np.arange(8_000) // 8 % 2, 32_767, -32_768).astype(np.int16)

    upsampled = in_pieces(square, [160]).astype(np.int32)

    # The overshoot beside an edge would wrap to the other sign.
    middles = [slice(start + 4, start + 12) for start in range(800, 15_200, 16)]
    assert all((np.sign(upsampled[m]) == np.sign(upsampled[m][0])).all() for m in middles)
    assert upsampled.max() == 32_767


def test_what_is_given_lags_less_than_an_eighth_of_a_second() -> None:
    upsampler = Upsampler()
    pcm = noise(16_000)
    given = 0

    for fed in range(0, len(pcm), 160):
        given += len(upsampler.feed(pcm[fed : fed + 160]))
        assert fed + 160 - given / 2 <= 1_000


def test_sixteen_kilohertz_pass_untouched() -> None:
    outlet = Untouched()
    pcm = noise(999)

    assert (np.concatenate([outlet.feed(pcm), outlet.flush()]) == pcm).all()


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


@settings(max_examples=60, deadline=None)
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
