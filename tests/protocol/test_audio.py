"""G.711 and the other audio encodings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import AudioFormat, Encoding, decode, encode

ALL_CODES = bytes(range(256))


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_every_code_survives_decoding_and_encoding(encoding: Encoding) -> None:
    pcm = decode(ALL_CODES, encoding)

    again = decode(encode(pcm, encoding), encoding)

    assert np.array_equal(
        again, pcm
    )  # mu-law writes zero in two ways, so values are compared, not codes


@pytest.mark.parametrize(
    ("encoding", "code", "value"),
    [  # ITU-T G.711: the loudest, the softest and zero, scaled to 16 bit
        (Encoding.MULAW, 0x80, 32_124),
        (Encoding.MULAW, 0x00, -32_124),
        (Encoding.MULAW, 0xFF, 0),
        (Encoding.MULAW, 0xFE, 8),
        (Encoding.ALAW, 0xAA, 32_256),
        (Encoding.ALAW, 0x2A, -32_256),
        (Encoding.ALAW, 0xD5, 8),
        (Encoding.ALAW, 0x55, -8),
    ],
)
def test_values_of_the_standard(encoding: Encoding, code: int, value: int) -> None:
    assert decode(bytes([code]), encoding)[0] == value


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=50))
def test_encoding_takes_the_nearest_code(samples: list[int]) -> None:
    pcm = np.array(samples, dtype=np.int16)
    for encoding in (Encoding.MULAW, Encoding.ALAW):
        table = decode(ALL_CODES, encoding).astype(np.int32)
        nearest = np.abs(pcm.astype(np.int32)[:, None] - table).min(axis=1)

        coded = decode(encode(pcm, encoding), encoding).astype(np.int32)

        assert np.array_equal(np.abs(coded - pcm), nearest)


@given(st.binary(max_size=64))
def test_l16_is_little_endian_and_exact(payload: bytes) -> None:
    whole = payload[: len(payload) // 2 * 2]

    assert encode(decode(whole, Encoding.L16), Encoding.L16) == whole
    assert decode(b"\x01\x02", Encoding.L16)[0] == 0x0201


def test_interleaved_channels_are_parted() -> None:
    left, right = AudioFormat(Encoding.L16, 8_000, 2).decode(b"\x01\x00\x02\x00\x03\x00\x04\x00")

    assert (left.tolist(), right.tolist()) == ([1, 3], [2, 4])


@pytest.mark.parametrize(
    ("rate", "channels", "complaint"),
    [
        (7_999, 1, "send 8000 to 48000"),
        (48_001, 1, "send 8000 to 48000"),
        (8_000, 0, "send 1 to 8"),
    ],
)
def test_a_format_that_cannot_be_is_refused(rate: int, channels: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        AudioFormat(rate=rate, channels=channels)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes are not a whole number of 2-byte samples"):
        AudioFormat(Encoding.L16).decode(b"\x00\x00\x00")
