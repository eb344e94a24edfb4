"""WAV files: valid headers, and what is read from damaged files."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.codecs.wav import MOST_CHANNELS, RATES, Samples, WavError, parse_wav

PCM, A_LAW, MU_LAW = 1, 6, 7


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    said = len(content) if size is None else size
    return name + struct.pack("<I", said) + content + b"\0" * (said % 2 if size is None else 0)


def layout(rate: int = 8_000, channels: int = 1, kind: int = PCM, bits: int = 16) -> bytes:
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, 0, 0, bits))


def wav(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def read(content: bytes) -> list[int]:
    found = parse_wav(content)
    assert found is not None
    return [sample for piece in found.pieces(1_000) for sample in piece.reshape(-1).tolist()]


ONE_TWO = b"\1\0\2\0"


@pytest.mark.parametrize(
    ("content", "samples"),
    [
        (wav(layout(), chunk(b"data", ONE_TWO)), [1, 2]),
        (wav(layout(), chunk(b"data", ONE_TWO, 0), size=0), [1, 2]),
        (wav(layout(), chunk(b"data", ONE_TWO, 0xFFFF_FFFF), size=0xFFFF_FFFF), [1, 2]),
        (wav(layout(), chunk(b"data", ONE_TWO, 100)), [1, 2]),
        (wav(layout(), chunk(b"data", ONE_TWO + b"\3")), [1, 2]),
        (wav(chunk(b"data", ONE_TWO), layout()), [1, 2]),
        (wav(layout(), chunk(b"LIST", b"abc"), chunk(b"data", ONE_TWO)), [1, 2]),
        (wav(layout(), chunk(b"data", b""), chunk(b"data", ONE_TWO)), [1, 2]),
        (wav(layout(), chunk(b"data", ONE_TWO), chunk(b"data", b"\3\0")), [1, 2, 3]),
        (wav(layout(), chunk(b"data", b"")), []),
        (wav(layout()), []),
    ],
    ids=[
        "as it should be", "length never written", "length of a stream", "cut off", "half a sample", "header last",
        "odd chunk before", "empty chunk before", "two chunks", "no sample", "no data",
    ],
)  # fmt: skip
def test_what_is_there_is_read_whatever_the_lengths_say(content: bytes, samples: list[int]) -> None:
    assert read(content) == samples


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF\0\0\0\0AVI LIST", wav(chunk(b"data", ONE_TWO)), wav(layout(bits=24)), wav(layout(kind=3)),
     wav(chunk(b"fmt ", b"\1\0\1\0"))],
)  # fmt: skip
def test_what_is_no_telephone_recording_is_not_taken_for_one(content: bytes) -> None:
    assert parse_wav(content) is None


@pytest.mark.parametrize("rate", [0, 1, 20, 3_999, 192_001, 2**32 - 1])
def test_a_sample_rate_outside_the_supported_range_is_refused(rate: int) -> None:
    with pytest.raises(
        WavError, match=f"{rate} Hz is not a supported sample rate: send 4000 to 192000"
    ):
        parse_wav(wav(layout(rate), chunk(b"data", ONE_TWO)))


@pytest.mark.parametrize("channels", [0, 9, 65_535])
def test_a_channel_count_outside_the_supported_range_is_refused(channels: int) -> None:
    with pytest.raises(WavError, match=f"{channels} channels are not supported"):
        parse_wav(wav(layout(channels=channels), chunk(b"data", bytes(2 * 65_535))))


def test_a_file_of_nothing_but_chunks_is_refused_after_the_first_thousand() -> None:
    with pytest.raises(WavError, match="more than 1000 chunks"):
        parse_wav(wav(layout(), chunk(b"LIST", b"") * 1_000_000))


def test_nothing_is_decoded_before_it_is_asked_for_and_then_in_pieces() -> None:
    body = bytes(2 * 8 * 10_000)
    found = parse_wav(wav(layout(channels=8), chunk(b"data", body)))

    assert isinstance(found, Samples)
    assert (found.frames, found.body.nbytes) == (10_000, len(body))
    assert [piece.shape for piece in found.pieces(4_000)] == [(4_000, 8), (4_000, 8), (2_000, 8)]


@given(
    st.integers(0, 2**32 - 1), st.integers(0, 65_535), st.sampled_from([PCM, A_LAW, MU_LAW, 3]),
    st.sampled_from([8, 16, 24]), st.binary(max_size=64), st.none() | st.integers(0, 2**32 - 1),
)  # fmt: skip
@example(8_000, 1, PCM, 16, ONE_TWO, 1)
def test_any_header_is_read_within_the_bounds_or_refused(
    rate: int, channels: int, kind: int, bits: int, audio: bytes, size: int | None
) -> None:
    content = wav(layout(rate, channels, kind, bits), chunk(b"data", audio, size))
    try:
        found = parse_wav(content)
    except WavError:
        return
    if found is not None:
        assert found.rate in RATES
        assert 1 <= found.channels <= MOST_CHANNELS
        assert sum(piece.size for piece in found.pieces(7)) * found.encoding.width <= len(content)


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_name_are_read_or_refused(rest: bytes) -> None:
    content = b"RIFF\0\0\0\0WAVE" + rest
    try:
        found = parse_wav(content)
    except WavError:
        return
    assert found is None or all(piece.dtype == np.int16 for piece in found.pieces(100))
