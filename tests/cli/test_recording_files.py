"""Audio files that can be played, and the errors for others."""

import struct
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.recording import RecordingError, read_recording
from protocol.audio import Pcm
from streaming.audio.files.container_child import FAULTS, FileFault

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


def test_24_bit_pcm_needs_no_programs(file: Path, no_programs: Path) -> None:
    file.write_bytes(wav(PCM, b"\0\0\1" * 8 + b"\0\0\2" * 8, bits=24))

    assert read_recording(file).channels[0].tolist() == [256] * 8 + [512] * 8


@pytest.mark.parametrize(
    ("name", "codec"),
    [("call.mp3", "libmp3lame"), ("call.m4a", "aac"), ("call.ogg", "libopus"), ("call.webm", "libopus"), ("call.flac", "flac")],
)  # fmt: skip
def test_what_telephones_and_meetings_leave_behind_needs_no_program(
    tmp_path: Path, no_programs: Path, name: str, codec: str
) -> None:
    encode(tmp_path / name, codec, tones(1))

    left, right = read_recording(tmp_path / name).channels

    assert abs(len(left) - 8_000) < 800
    assert [pitch(left), pitch(right)] == [440, 880]


def tones(seconds: int) -> npt.NDArray[np.int16]:
    """440 Hz on the left and 880 Hz on the right, at 48 kHz: `[n, 2]`."""
    time = np.arange(seconds * 48_000) / 48_000
    return np.stack([8_000 * np.sin(2 * np.pi * hz * time) for hz in (440, 880)], 1).astype(
        np.int16
    )


def pitch(pcm: Pcm) -> int:
    half = pcm[2_000:6_000].astype(float) * np.hanning(4_000)
    return 2 * int(np.argmax(np.abs(np.fft.rfft(half))))


def encode(path: Path, codec: str, samples: npt.NDArray[np.int16]) -> None:
    """A stereo file of FFmpeg's at 48 kHz, of the kind that its name says."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "stereo"
        whole = av.AudioFrame.from_ndarray(samples.reshape(1, -1).copy(), "s16", "stereo")
        whole.sample_rate, whole.pts = 48_000, 0
        size = stream.codec_context.frame_size or 1_024
        cutter = av.AudioResampler(stream.codec_context.format, "stereo", 48_000, frame_size=size)
        for frame in [*cutter.resample(whole), *cutter.resample(None)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


# Limits of work that a file may cause


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {secret}\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet'
        ' mimeType="audio/mpeg"><Representation id="1" bandwidth="1"><BaseURL>{secret}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["hls", "hls by url", "concat", "dash", "sdp"],
)
@pytest.mark.parametrize("name", ["call.mp3", "call.m3u8", "call.wav"])
def test_a_file_that_names_another_one_does_not_get_it_read(
    tmp_path: Path, playlist: str, name: str
) -> None:
    secret = tmp_path / "secret.mp3"
    encode(secret, "libmp3lame", tones(1))
    (tmp_path / name).write_text(playlist.format(secret=secret))

    assert _reason(tmp_path / name) == "it contains no readable audio"


def test_the_process_that_decodes_can_open_nothing_and_write_nowhere(tmp_path: Path) -> None:
    encode(tmp_path / "call.flac", "flac", tones(1))
    command = [sys.executable, "-P", "-m", "streaming.audio.files.container_child"]

    with (tmp_path / "call.flac").open("rb") as file, (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            command, stdin=file, stdout=out, stderr=subprocess.DEVNULL, check=False
        )

    assert done.returncode != 0, "a file for its output: its limits do not let it write there"
    assert (tmp_path / "out").stat().st_size == 0


@pytest.mark.long
def test_an_hour_of_silence_in_a_small_file_is_cut_off_at_what_a_recording_may_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarter = np.zeros((48_000 * 900, 2), np.int16)
    small = tmp_path / "call.flac"
    encode(small, "flac", quarter)
    command = [sys.executable, "-P", "-c", "import streaming.audio.files.container_child as c; c.LONGEST_SECONDS = 60; exit(c.main())"]  # fmt: skip

    with small.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=False)

    assert small.stat().st_size < 2_000_000
    assert done.returncode == FAULTS[FileFault.TOO_LONG]
    assert len(done.stdout) <= 1 + 60 * 8_000 * 2 * 2


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    assert _reason(Path("/dev/zero")) == "it is no file"


# Files that cannot be played


def _reason(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_recording(path)
    return str(refused.value).removeprefix(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert _reason(tmp_path / "nothing.wav") == "No such file or directory"


def test_an_empty_file_is_called_empty(file: Path) -> None:
    file.write_bytes(b"")

    assert _reason(file) == "the file is empty"


@pytest.mark.parametrize("content", [wav(MU_LAW, b""), wav(MU_LAW, b"\xff", channels=2)])
def test_a_recording_without_a_sample_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert "no audio" in _reason(file)


@pytest.mark.parametrize("rate", [0, 1, 4_000_000])
def test_a_damaged_rate_is_refused_before_anything_is_made_of_it(file: Path, rate: int) -> None:
    file.write_bytes(wav(PCM, b"\1\0" * 100, rate=rate, bits=16))

    assert f"{rate} Hz" in _reason(file)


def test_what_is_no_audio_at_all_is_said_in_one_line(tmp_path: Path, no_programs: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear customer")

    assert _reason(letter) == "it contains no readable audio"


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_nothing_but_the_error_appears_on_the_terminal(
    file: Path, no_programs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(wav(PCM, b"\0\0\1", bits=24, rate=7))

    assert "7 Hz" in _reason(file)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder
