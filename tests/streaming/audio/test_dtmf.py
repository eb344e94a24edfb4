"""DTMF in the audio, and telephone tones that are not speech."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import sounds
from support.wav import read_wav

from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.dtmf import DtmfDeduplicator, DtmfDetector, Key
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.sound_events import SegmentClosed
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero

pytestmark = pytest.mark.usefixtures("audio_path")

SPEECH = Path(__file__).parents[2] / "speech"
SECOND = 8_000
ALL_KEYS = "0123456789*#ABCD"


def tones(keys: str, seconds: float = 0.1, pause: float = 0.06, dbfs: float = -12.0) -> Pcm:
    """Keys pressed one after the other, behind a second of nothing."""
    pressed = [
        part for key in keys for part in (sounds.dtmf(key, seconds, dbfs), sounds.silence(pause))
    ]
    return np.concatenate([sounds.silence(1), *pressed, sounds.silence(0.3)])


def heard(pcm: Pcm, frame: int = 160, rate: int = SECOND) -> list[Key]:
    dtmf_detector = DtmfDetector(rate)
    starts = range(0, len(pcm), frame)
    return [
        key for start in starts for key in dtmf_detector.feed(start, pcm[start : start + frame])
    ]


def digits(keys: list[Key]) -> str:
    return "".join(key.digit for key in keys)


@pytest.mark.parametrize("seconds", [0.045, 0.1, 0.5])
@pytest.mark.parametrize("law", list(Encoding))
def test_every_key_is_detected_once_however_long_it_is_held(seconds: float, law: Encoding) -> None:
    pcm = decode(encode(tones(ALL_KEYS, seconds), law), law)

    assert digits(heard(pcm)) == ALL_KEYS


def test_a_key_is_where_its_tone_begins() -> None:
    (key,) = heard(np.concatenate([tones("7")]))

    assert abs(key.at - SECOND) <= 160


def test_the_same_key_twice_is_two_keys() -> None:
    assert digits(heard(tones("44477", pause=0.05))) == "44477"


def test_keys_are_detected_in_noise_and_when_faint() -> None:
    noisy = sounds.mix(tones("159#"), sounds.white_noise(3), 15)
    faint = tones("159#", dbfs=-33)

    assert (digits(heard(noisy)), digits(heard(faint))) == ("159#", "159#")


def test_keys_are_detected_in_audio_at_16_khz() -> None:
    wide = np.repeat(tones("2580", 0.2), 2)  # coarse, but a tone is a tone

    assert digits(heard(wide, frame=320, rate=16_000)) == "2580"


@pytest.mark.parametrize("frame", [1, 37, 160, 4_000])
def test_keys_do_not_depend_on_how_the_audio_is_cut(frame: int) -> None:
    pcm = tones("0123")

    assert heard(pcm, frame) == heard(pcm)


@pytest.mark.parametrize(
    "other",
    [
        sounds.dtmf("5", 0.02),  # too short: a click
        sounds.tone(1, 770),
        sounds.tone(1, 1_336),
        sounds.ringback(6),
        sounds.white_noise(3, -20),
        sounds.music(8),
    ],
)
def test_what_is_no_key_is_none(other: Pcm) -> None:
    assert heard(np.concatenate([sounds.silence(0.5), other, sounds.silence(0.5)])) == []


def test_speech_is_not_detected_as_keys() -> None:
    paths = sorted((SPEECH / "prompts").glob("*.wav"))

    assert [key for path in paths for key in heard(read_wav(path)[1][0])] == []


def test_keys_are_detected_during_quiet_speech() -> None:
    voice = sounds.mix(read_wav(SPEECH / "prompts" / "vm-opts.wav")[1][0], sounds.silence(1), 99)
    keys = np.resize(tones("42"), len(voice))

    together = np.clip(voice * 0.1 + keys, -32_768, 32_767).astype(np.int16)

    assert digits(heard(together))[:2] == "42"


def test_a_key_in_the_signalling_and_in_the_audio_counts_once() -> None:
    dtmf_dedup = DtmfDeduplicator()
    pressed = [("5", 8_000, True), ("5", 8_200, False), ("5", 12_000, False), ("5", 12_500, True)]

    news = [dtmf_dedup.is_new(digit, at, signalled=way) for digit, at, way in pressed]

    assert news == [True, False, True, False]


def test_the_same_key_twice_by_the_same_way_was_pressed_twice() -> None:
    dtmf_dedup = DtmfDeduplicator()

    news = [
        dtmf_dedup.is_new("5", at, signalled=way) for way, at in product([True, False], [0, 900])
    ]

    assert news == [True, True, False, False]


@given(st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=4_000)), max_size=8))
def test_any_audio_is_listened_to_in_bounded_memory(pieces: list[tuple[int, bytes]]) -> None:
    dtmf_detector, position = DtmfDetector(), 0

    for skipped, payload in pieces:
        position += skipped
        pcm = decode(payload, Encoding.MULAW)
        keys = dtmf_detector.feed(position, pcm)
        position += len(pcm)
        assert all(key.digit in ALL_KEYS and 0 <= key.at <= position for key in keys)
        assert dtmf_detector.held_samples < SECOND // 5


# Other sounds on a line


def cadence(on: float, off: float, *hz: float) -> Pcm:
    """A tone that comes and goes for ten seconds; several frequencies at once."""
    parts = [sounds.tone(on, one, -20).astype(np.int32) for one in hz]
    heartbeat = np.concatenate([np.sum(parts, axis=0).astype(np.int16), sounds.silence(off)])
    return np.resize(heartbeat, 10 * SECOND)


LINE = {
    "ringback, America": sounds.ringback(12),
    "ringback, Europe": cadence(1, 4, 425),
    "ringback, Britain": cadence(0.4, 0.2, 400, 450),
    "busy, America": cadence(0.5, 0.5, 480, 620),
    "busy, Europe": cadence(0.5, 0.5, 425),
    "congestion": cadence(0.25, 0.25, 480, 620),
    "dial tone": cadence(5, 0, 350, 440),
    "fax calling": cadence(0.5, 3, 1_100),
    "modem answering": cadence(3, 0.1, 2_100),
    "card number": tones("4111111111111111#", 0.1, 0.1),
    "a key held down": sounds.dtmf("5", 5),
    "comfort noise": sounds.comfort_noise(10),
    "loud comfort noise": sounds.comfort_noise(10, -45),
    "hiss": sounds.white_noise(10, -30),
    "chords": sounds.music(20),
}


def segments(pcm: Pcm, silero: Silero) -> list[SegmentClosed]:
    segmenter = ChannelSegmenter()
    events = run_vad_single(segmenter, decode(encode(pcm, Encoding.MULAW), Encoding.MULAW), silero)
    return [event for event in [*events, *segmenter.finish()] if isinstance(event, SegmentClosed)]


@pytest.mark.parametrize("name", LINE)
def test_what_a_line_sounds_like_is_no_speech(name: str, silero: Silero) -> None:
    assert segments(LINE[name], silero) == []


MUSIC = sorted((SPEECH / "music").glob("*.wav"))


@pytest.mark.parametrize("path", MUSIC, ids=lambda path: path.stem)
def test_hold_music_is_no_speech_no_key_and_no_fault(path: Path, silero: Silero) -> None:
    (pcm,) = read_wav(path)[1]

    assert segments(pcm, silero) == []
    assert heard(pcm) == []
    assert QualityMonitor(1).feed(0, 0, pcm, speaking=False) == []


def test_there_is_hold_music_to_try() -> None:
    assert len(MUSIC) == 5
