import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from support import sounds
from support.wav import read_wav

from protocol.audio import Encoding, decode


def riff(form: int, bits: int, payload: bytes, extra: bytes = b"") -> bytes:
    """A mono WAV at 8 kHz with an `extra` chunk between `fmt ` and `data`."""
    head = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, form, 1, 8_000, 8_000 * bits // 8, bits // 8, bits
    )
    body = b"WAVE" + head + extra + struct.pack("<4sI", b"data", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_pcm_of_both_channels_comes_back_as_python_wrote_it(tmp_path: Path) -> None:
    left, right = sounds.tone(0.1), sounds.white_noise(0.1)
    with wave.open(str(tmp_path / "two.wav"), "wb") as file:
        file.setparams((2, 2, 8_000, 0, "NONE", ""))
        file.writeframes(np.stack([left, right], axis=1).tobytes())

    rate, channels = read_wav(tmp_path / "two.wav")

    assert rate == 8_000
    assert np.array_equal(channels, [left, right])


def test_every_mulaw_code_is_read_as_the_project_decodes_it(tmp_path: Path) -> None:
    codes = bytes(range(256))
    (tmp_path / "all.wav").write_bytes(riff(7, 8, codes))

    _, (pcm,) = read_wav(tmp_path / "all.wav")

    assert np.array_equal(pcm, decode(codes, Encoding.MULAW))


def test_a_chunk_of_odd_length_is_skipped_with_its_pad(tmp_path: Path) -> None:
    note = struct.pack("<4sI", b"note", 3) + b"abc\0"
    (tmp_path / "note.wav").write_bytes(riff(7, 8, b"\xff\x00", note))

    _, (pcm,) = read_wav(tmp_path / "note.wav")

    assert pcm.tolist() == [0, -32_124]


@pytest.mark.parametrize(
    "content", [b"OggS" + bytes(40), riff(6, 8, b"\xd5"), riff(1, 24, bytes(3))]
)
def test_what_it_cannot_read_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.wav").write_bytes(content)

    with pytest.raises(ValueError, match=r"not a WAV file|is not read here"):
        read_wav(tmp_path / "odd.wav")
