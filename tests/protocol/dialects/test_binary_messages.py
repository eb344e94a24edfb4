"""Control messages in binary frames, and binary audio that is split anywhere."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import AudioFormat, Encoding
from protocol.dialects.common import json_fields
from protocol.dialects.common.deinterleave import Interleaved

L16 = AudioFormat(Encoding.L16)
WAVE = (5_000 * np.sin(np.arange(16_000) / 7)).astype(np.int16)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "CloseStream"}',
        '{"type":"KeepAlive"}\n',
        ' {"event":"websocket:dtmf","digit":"1"}',
        json.dumps({"type": "UpdateConfiguration", "keyterms_prompt": ["Zürich"] * 500}),
    ],
)
def test_a_control_message_in_a_binary_frame_is_control(text: str) -> None:
    assert json_fields.control(text.encode()) == text.strip()


@pytest.mark.parametrize(
    "audio",
    [
        b"",
        b"{}",
        b"{" * 320,
        b'{"a": 1}',
        b'{"type": 7}',
        b'{"type": "x"' + bytes(20) + b"}",
        b"{\xff\xfe}",
        b'{"type":"x"}{"type":"y"}',
        b"[" * 3_000,
        b'{"type":' + b"[" * 30_000 + b"}",
    ],
)
def test_audio_that_only_begins_like_a_message_is_audio(audio: bytes) -> None:
    assert json_fields.control(audio) == audio


@given(st.binary(max_size=400))
def test_no_audio_is_lost_to_control(audio: bytes) -> None:
    assert json_fields.control(audio) == audio


@pytest.mark.parametrize("ends", [b"{%s{", b"{%s", b" %s}", b"}%s{"])
def test_a_frame_that_is_no_json_object_needs_no_control(ends: bytes) -> None:
    """`{` is the code of mu-law for a soft sample: such frames must not leave the short way of audio."""
    frame = ends % bytes(158)
    stream = Interleaved(AudioFormat(Encoding.MULAW))

    audio = stream.plain(frame)

    assert audio is not None
    assert [one.payload for one in audio] == [frame]


@given(
    st.sampled_from([b"", b"{", b" ", b"\n{"]),
    st.binary(max_size=40),
    st.sampled_from([b"", b"}", b"} "]),
)
def test_what_may_be_control_does_not_take_the_short_way(
    begin: bytes, middle: bytes, end: bytes
) -> None:
    for message in (begin + middle + end, begin + b'"type":"KeepAlive"' + end):
        is_control = json_fields.control(message) != message
        assert not (is_control and json_fields.is_audio(message))


def pcm_of(format: AudioFormat, frames: list[bytes]) -> np.ndarray:  # noqa: A002
    stream = Interleaved(format)
    return np.concatenate([one.pcm for frame in frames for one in stream.receive(frame)])


@given(st.lists(st.integers(1, 999), min_size=1, max_size=9))
def test_a_stream_of_bytes_may_be_cut_anywhere(sizes: list[int]) -> None:
    audio, at = WAVE.tobytes(), 0
    frames: list[bytes] = []
    while at < len(audio):
        frames.append(audio[at : at + sizes[len(frames) % len(sizes)]])
        at += len(frames[-1])

    assert pcm_of(L16, frames).tolist() == WAVE.tolist()


@pytest.mark.parametrize("odd", [b"x", b"{not json}!", bytes(321), WAVE.tobytes()[:641]])
@pytest.mark.parametrize("pause", [0, 5])
def test_one_odd_message_does_not_shift_those_behind_it(odd: bytes, pause: int) -> None:
    audio = WAVE.tobytes()
    frames = [audio[at : at + 320] for at in range(0, len(audio), 320)]

    pcm = pcm_of(L16, [*frames, odd, *[bytes(320)] * pause, *frames])

    assert pcm[-len(WAVE) + 160 :].tolist() == WAVE[160:].tolist()


def test_one_odd_message_of_two_channels_does_not_swap_them() -> None:
    both = np.stack([WAVE, np.zeros_like(WAVE)], axis=1).tobytes()
    stream = Interleaved(AudioFormat(Encoding.L16, channels=2))

    stream.receive(b"abc")
    agent, customer = stream.receive(both)

    assert (agent.pcm.tolist(), customer.pcm.tolist()) == (WAVE.tolist(), [0] * len(WAVE))
