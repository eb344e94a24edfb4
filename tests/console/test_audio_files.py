"""What may be played, and what is said of the rest."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.recording import RecordingError, read_recording

PCM, A_LAW, MU_LAW, EXTENSIBLE = 1, 6, 7, 0xFFFE


def wav(
    kind: int,
    samples: bytes,
    *,
    channels: int = 1,
    rate: int = 8_000,
    bits: int = 8,
    length: int | None = None,
    extension: bytes = b"",
    before: bytes = b"",
) -> bytes:
    """A WAV file by the book; `length` is what its header says of the audio, where that is not the truth."""
    frame = channels * bits // 8
    layout = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits) + extension
    return (
        b"RIFF\0\0\0\0WAVE"
        + (b"fmt " + struct.pack("<I", len(layout)) + layout)
        + before
        + (b"data" + struct.pack("<I", len(samples) if length is None else length) + samples)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "call.wav"


# ITU-T G.711, tables 1a and 2a, scaled to 16 bit
@pytest.mark.parametrize(
    ("kind", "codes", "values"),
    [
        (MU_LAW, b"\xff\x80\x00\xef", [0, 32_124, -32_124, 132]),
        (A_LAW, b"\xd5\x55\xaa\x2a", [8, -8, 32_256, -32_256]),
    ],
)
def test_telephone_recordings_are_read_without_any_help(
    file: Path, kind: int, codes: bytes, values: list[int]
) -> None:
    file.write_bytes(wav(kind, codes))

    recording = read_recording(file)

    assert [pcm.tolist() for pcm in recording.channels] == [values]


@given(st.lists(st.tuples(*[st.integers(-32_768, 32_767)] * 2), min_size=1))
def test_left_and_right_stay_apart(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "stereo.wav"
    with wave.open(str(path), "wb") as stereo:
        stereo.setparams((2, 2, 8_000, 0, "NONE", ""))
        stereo.writeframes(np.array(frames, dtype="<i2").tobytes())

    left, right = read_recording(path).channels

    assert list(zip(left.tolist(), right.tolist(), strict=True)) == frames


def test_other_chunks_are_passed_over_with_their_pad_byte(file: Path) -> None:
    file.write_bytes(wav(MU_LAW, b"\x80\xff", before=b"LIST\x03\0\0\0abc\0"))

    assert read_recording(file).channels[0].tolist() == [32_124, 0]


def test_the_extensible_header_says_its_encoding_further_down(file: Path) -> None:
    extension = struct.pack("<HHIH", 22, 8, 0, MU_LAW) + bytes(14)
    file.write_bytes(wav(EXTENSIBLE, b"\x80\xff", extension=extension))

    assert read_recording(file).channels[0].tolist() == [32_124, 0]


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_recorder_that_never_wrote_the_length_loses_nothing(file: Path, length: int) -> None:
    file.write_bytes(wav(MU_LAW, b"\xff" * 160, length=length))

    assert read_recording(file).samples == 160


def test_a_file_cut_inside_a_sample_is_played_up_to_there(file: Path) -> None:
    file.write_bytes(wav(PCM, b"\1\0\2\0" + b"\3\0\4", channels=2, bits=16))

    assert [pcm.tolist() for pcm in read_recording(file).channels] == [[1], [2]]


@pytest.mark.parametrize("rate", [11_025, 16_000, 44_100, 48_000])
def test_other_rates_come_out_at_the_call_rate_with_the_same_tone(file: Path, rate: int) -> None:
    tone = 10_000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    file.write_bytes(wav(PCM, tone.astype("<i2").tobytes(), rate=rate, bits=16))

    recording = read_recording(file)

    assert recording.seconds == pytest.approx(1, abs=0.001)
    spectrum = np.abs(np.fft.rfft(recording.channels[0][:8_000].astype(float)))
    assert np.argmax(spectrum) == 440


def test_a_loud_recording_does_not_wrap_when_it_is_resampled(file: Path) -> None:
    square = np.where(np.arange(16_000) // 40 % 2, 32_767, -32_768)
    file.write_bytes(wav(PCM, square.astype("<i2").tobytes(), rate=16_000, bits=16))

    pcm = read_recording(file).channels[0].astype(int)

    middle = pcm[np.arange(len(pcm)) // 20 % 2 == 1]
    assert middle.min() > 0, "where the wave is high, nothing may come out low"


def test_24_bit_pcm_needs_no_ffmpeg(file: Path, no_ffmpeg: Path) -> None:
    file.write_bytes(wav(PCM, b"\0\0\1" * 8 + b"\0\0\2" * 8, bits=24))

    assert read_recording(file).channels[0].tolist() == [256] * 8 + [512] * 8


def test_everything_else_is_read_by_ffmpeg(tmp_path: Path, no_ffmpeg: Path) -> None:
    decoded = tmp_path / "decoded.wav"
    decoded.write_bytes(wav(PCM, b"\0\0\1\0" * 1_600, channels=2, rate=16_000, bits=16))
    _program(no_ffmpeg / "ffmpeg", f"exec /bin/cat {decoded}")
    _program(no_ffmpeg / "ffprobe", "echo '{}'")
    music = tmp_path / "call.mp3"
    music.write_bytes(b"ID3 and so on")

    recording = read_recording(music)

    assert [len(channel) for channel in recording.channels] == [800, 800]


# What cannot be played


def _reason(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_recording(path)
    return str(refused.value).removeprefix(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert _reason(tmp_path / "nothing.wav") == "No such file or directory"


def test_an_empty_file_is_called_empty(file: Path) -> None:
    file.write_bytes(b"")

    assert _reason(file) == "the file is empty"


@pytest.mark.parametrize(
    "content", [wav(MU_LAW, b""), wav(MU_LAW, b"\xff", channels=2), wav(PCM, b"\1\0", channels=0)]
)
def test_a_recording_without_a_sample_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert "no audio" in _reason(file)


@pytest.mark.parametrize("rate", [0, 1, 4_000_000])
def test_a_damaged_rate_is_refused_before_anything_is_made_of_it(file: Path, rate: int) -> None:
    file.write_bytes(wav(PCM, b"\1\0" * 100, rate=rate, bits=16))

    assert f"{rate} Hz" in _reason(file)


def test_without_ffmpeg_the_error_says_what_to_install(tmp_path: Path, no_ffmpeg: Path) -> None:
    music = tmp_path / "call.mp3"
    music.write_bytes(b"ID3" + bytes(500))

    assert "apt install ffmpeg" in _reason(music)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_nothing_but_the_error_appears_on_the_terminal(tmp_path: Path, no_ffmpeg: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear customer")

    assert "ffmpeg" in _reason(letter)


def test_what_ffmpeg_refuses_is_no_audio(tmp_path: Path, no_ffmpeg: Path) -> None:
    _program(no_ffmpeg / "ffmpeg", "echo 'Invalid data found' >&2; exit 1")
    _program(no_ffmpeg / "ffprobe", "echo '{}'")
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear customer")

    assert "no audio in it that ffmpeg can read" in _reason(letter)


@pytest.fixture
def no_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
