from collections.abc import Callable

import numpy as np
import pytest
from support import sounds
from support.sounds import Pcm


def loudest_hz(pcm: Pcm, count: int = 1) -> list[int]:
    """The `count` strongest frequencies of one second, in order of frequency."""
    spectrum = np.abs(np.fft.rfft(pcm[: sounds.RATE].astype(float)))
    return sorted(int(hz) for hz in np.argsort(spectrum)[-count:])


def power_between(pcm: Pcm, low_hz: int, high_hz: int) -> float:
    """Power of one second from `low_hz` to `high_hz`."""
    spectrum = np.abs(np.fft.rfft(pcm[: sounds.RATE].astype(float))) ** 2
    return float(spectrum[low_hz:high_hz].sum())


@pytest.mark.parametrize(
    "make",
    [
        sounds.silence,
        sounds.tone,
        sounds.ringback,
        lambda seconds: sounds.dtmf("5", seconds),
        sounds.white_noise,
        sounds.pink_noise,
        sounds.comfort_noise,
        sounds.music,
    ],
)
@pytest.mark.parametrize("seconds", [0.0, 0.02, 1.0, 7.3])
def test_every_sound_lasts_as_long_as_asked(make: Callable[[float], Pcm], seconds: float) -> None:
    sound = make(seconds)

    assert sound.dtype == np.int16
    assert len(sound) == round(seconds * 8_000)


@pytest.mark.parametrize(
    "make",
    [sounds.tone, sounds.white_noise, sounds.pink_noise, sounds.comfort_noise, sounds.music],
)
@pytest.mark.parametrize("dbfs", [-20.0, -45.0, -60.0])
def test_a_sound_has_the_level_asked_for(make: Callable[..., Pcm], dbfs: float) -> None:
    assert sounds.level(make(2.0, dbfs=dbfs)) == pytest.approx(dbfs, abs=0.2)


def test_silence_has_no_level() -> None:
    assert sounds.level(sounds.silence(1.0)) == float("-inf")


def test_a_tone_has_one_frequency() -> None:
    assert loudest_hz(sounds.tone(1.0, hz=1_000)) == [1_000]


def test_ringback_rings_two_seconds_out_of_six() -> None:
    ringing = sounds.ringback(12.0)

    assert loudest_hz(ringing, 2) == [440, 480]
    assert not ringing[2 * 8_000 : 6 * 8_000].any()
    assert np.array_equal(ringing[6 * 8_000 : 8 * 8_000] != 0, ringing[: 2 * 8_000] != 0)


@pytest.mark.parametrize(
    ("digit", "pair"),
    [("1", [697, 1209]), ("5", [770, 1336]), ("#", [941, 1477]), ("D", [941, 1633])],
)
def test_a_key_sounds_its_pair_of_tones(digit: str, pair: list[int]) -> None:
    assert loudest_hz(sounds.dtmf(digit, 1.0), 2) == pair


@pytest.mark.parametrize("digit", ["", "E", "12"])
def test_what_is_no_key_is_refused(digit: str) -> None:
    with pytest.raises(ValueError, match="no key of a telephone"):
        sounds.dtmf(digit)


@pytest.mark.parametrize("make", [sounds.white_noise, sounds.pink_noise, sounds.comfort_noise])
def test_noise_repeats_with_its_seed_only(make: Callable[..., Pcm]) -> None:
    once, again, other = make(1.0, seed=1), make(1.0, seed=1), make(1.0, seed=2)

    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_only_white_noise_is_as_strong_high_as_low() -> None:
    white, pink, comfort = (
        make(1.0, dbfs=-30.0)
        for make in (sounds.white_noise, sounds.pink_noise, sounds.comfort_noise)
    )

    def tilt(pcm: Pcm) -> float:
        return power_between(pcm, 200, 1_000) / power_between(pcm, 3_000, 3_800)

    assert tilt(white) == pytest.approx(1.0, abs=0.3)
    assert tilt(pink) > 3
    assert tilt(comfort) > 10


def test_music_changes_its_chord_and_its_order_with_the_seed() -> None:
    first, second = sounds.music(5.0, seed=1), sounds.music(5.0, seed=3)

    assert loudest_hz(first[:8_000], 3) != loudest_hz(first[9_600:17_600], 3)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("snr_db", [20.0, 5.0, -5.0])
def test_a_mix_keeps_the_speech_and_sets_the_noise_below_it(snr_db: float) -> None:
    speech, noise = sounds.music(2.0), sounds.white_noise(0.5)

    mixed = sounds.mix(speech, noise, snr_db)

    left = (mixed.astype(int) - speech).astype(np.int16)
    assert len(mixed) == len(speech)
    assert sounds.level(speech) - sounds.level(left) == pytest.approx(snr_db, abs=0.2)


def test_a_mix_with_silence_is_the_speech() -> None:
    speech = sounds.music(1.0)

    assert np.array_equal(sounds.mix(speech, sounds.silence(1.0), 10.0), speech)
