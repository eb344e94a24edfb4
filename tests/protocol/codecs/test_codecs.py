"""G.722 and Opus: output of the library's encoder is decoded correctly, also between invalid packets."""

import struct
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.wav import read_wav

from protocol.audio import Pcm
from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallOpened,
    DialectError,
    EncodedAudioReceived,
)
from protocol.codecs.decoder import RATE, Codec, Decoder, opus_duration
from protocol.codecs.frames import LONGEST_FRAME_SECONDS, Frames
from protocol.codecs.ogg import Ogg
from protocol.dialects import registry
from protocol.dialects.base import Request

PROMPT = Path(__file__).parents[2] / "speech" / "prompts" / "vm-invalid-password.wav"


@pytest.fixture(scope="module")
def voice() -> Pcm:
    """A human voice at 16 kHz."""
    resampled: Pcm = soxr.resample(read_wav(PROMPT)[1][0], 8_000, RATE)
    return resampled


def encoded(codec: Codec, pcm: Pcm, channels: int = 1) -> list[bytes]:
    """Packets of 20 ms; two channels carry the same."""
    context = av.CodecContext.create("libopus" if codec is Codec.OPUS else "g722", "w")
    context.sample_rate, context.format = RATE, "s16"
    context.layout = layout = "mono" if channels == 1 else "stereo"
    context.open()
    packets: list[bytes] = []
    for start in range(0, len(pcm) - 319, 320):
        piece = np.repeat(pcm[start : start + 320], channels)[None, :]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
        frame.sample_rate, frame.pts = RATE, start
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets


def decoded(decoder: Decoder, packets: list[bytes]) -> list[Pcm]:
    pieces = [decoder.decode(packet) for packet in packets]
    return [np.concatenate(channel) for channel in zip(*pieces, strict=True)]


def likeness(one: Pcm, other: Pcm, latest: int = 400) -> float:
    """Best correlation of two recordings, one up to 25 ms behind."""
    length = min(len(one), len(other)) - latest
    return max(
        float(np.corrcoef(one[late : late + length], other[:length])[0, 1])
        for late in range(latest)
    )


@pytest.mark.parametrize(("codec", "alike"), [(Codec.G722, 0.99), (Codec.OPUS, 0.9)])
def test_a_voice_comes_back(codec: Codec, alike: float, voice: Pcm) -> None:
    (back,) = decoded(Decoder(codec), encoded(codec, voice))

    assert abs(len(back) - len(voice)) <= 640
    assert likeness(back, voice) > alike


def test_two_channels_of_opus_come_back_as_two(voice: Pcm) -> None:
    left, right = decoded(Decoder(Codec.OPUS, 2), encoded(Codec.OPUS, voice, 2))

    assert len(left) == len(right)
    assert likeness(left, voice) > 0.9


def test_a_damaged_packet_becomes_silence_of_its_length_and_the_rest_is_decoded(voice: Pcm) -> None:
    packets = encoded(Codec.OPUS, voice)
    whole = decoded(Decoder(Codec.OPUS), packets)
    packets[40] = packets[40][:1] + b"\xff"  # says that it is 20 ms, and is nothing

    (damaged,) = decoded(Decoder(Codec.OPUS), packets)

    assert abs(len(damaged) - len(whole[0])) <= 640
    assert likeness(damaged[60 * 320 :], whole[0][60 * 320 :]) > 0.9


def test_what_is_no_opus_at_all_is_said_to_be_none() -> None:
    decoder = Decoder(Codec.OPUS)

    with pytest.raises(ValueError, match="not opus"):
        for _ in range(60):
            decoder.decode(b"\xff\xff\xff")


def test_g722_has_one_channel() -> None:
    with pytest.raises(ValueError, match="2 channels"):
        Decoder(Codec.G722, 2)


@pytest.mark.parametrize(
    ("first", "milliseconds"),
    [(b"\x00", 10), (b"\x08", 20), (b"\x18", 60), (b"\x60", 10), (b"\xe0", 2.5), (b"\xf8", 20), (b"\xf9", 40), (b"\xfb\x03", 60), (b"\xfb", 20)],
)  # fmt: skip
def test_the_length_of_an_opus_packet_stands_in_front(first: bytes, milliseconds: float) -> None:
    assert opus_duration(first) == milliseconds * RATE / 1_000


@settings(max_examples=examples(60))
@given(st.sampled_from(Codec), st.lists(st.binary(max_size=400), max_size=20))
def test_any_packets_are_decoded_or_refused_and_never_more_than_they_can_hold(
    codec: Codec, packets: list[bytes]
) -> None:
    decoder, longest = Decoder(codec), 0

    for packet in packets:
        (pcm,) = decoder.decode(packet)
        longest = max(longest, len(pcm))

    assert longest <= 1_920 + 320  # 120 ms of Opus, and the samples held by the resampler


# Ogg


def page(packets: list[bytes], flags: int = 0) -> bytes:
    """One page (RFC 3533, 6)."""
    table = bytes(
        n for packet in packets for n in [255] * (len(packet) // 255) + [len(packet) % 255]
    )
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 1, 0, 0, len(table))
    return head + table + b"".join(packets)


HEADERS = page([b"OpusHead\x01\x01"]) + page([b"OpusTags"])


@given(st.lists(st.lists(st.binary(max_size=600), max_size=4), max_size=5), st.integers(1, 97))
def test_packets_come_out_of_ogg_however_it_is_cut(pages: list[list[bytes]], step: int) -> None:
    stream, ogg = b"".join(map(page, pages)), Ogg()

    out = [
        packet for at in range(0, len(stream), step) for packet in ogg.feed(stream[at : at + step])
    ]

    assert out == [packet for packets in pages for packet in packets]


def test_a_packet_may_go_on_in_the_next_page() -> None:
    long = bytes(300)
    first = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, 0, 1, 0, 0, 1) + b"\xff" + long[:255]
    second = struct.pack("<4sBBqIIIB", b"OggS", 0, 1, 0, 1, 0, 0, 1) + b"\x2d" + long[255:]

    assert Ogg().feed(first + second) == [long]


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_any_bytes_are_ogg_or_refused(pieces: list[bytes]) -> None:
    ogg = Ogg()
    try:
        for piece in pieces:
            ogg.feed(piece)
    except ValueError as exc:
        assert "Ogg" in str(exc)  # nothing else is raised
    assert ogg.held_bytes <= 300 * 9


def test_a_packet_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    endless = (
        struct.pack("<4sBBqIIIB", b"OggS", 0, 0, 0, 1, 0, 0, 255) + b"\xff" * 255 + bytes(255 * 255)
    )
    ogg = Ogg()

    with pytest.raises(ValueError, match="longer than an Opus packet may be"):
        for _ in range(9):
            ogg.feed(endless)


def test_opus_in_ogg_is_decoded_without_its_headers(voice: Pcm) -> None:
    packets = encoded(Codec.OPUS, voice)
    stream = HEADERS + b"".join(page(packets[at : at + 10]) for at in range(0, len(packets), 10))

    heard = [pcm for piece in Frames(Codec.OPUS).pieces(stream) for pcm in piece]

    assert likeness(np.concatenate(heard), voice) > 0.9


# In the dialects that name them


def heard(events: list[BridgeEvent]) -> list[BridgeEvent]:
    """The events as a session gets them: compressed audio is decoded."""
    return [
        one
        for event in events
        for one in (
            [audio for piece in event.decoded() for audio in piece]
            if isinstance(event, EncodedAudioReceived)
            else [event]
        )
    ]


def audio_of(path: str, query: dict[str, str], messages: list[Any]) -> tuple[CallOpened, Pcm]:
    dialect = registry.open_dialect(Request(path, tuple(query.items())))
    events = [event for message in messages for event in heard(dialect.receive(message))]
    opened = next(event for event in events if isinstance(event, CallOpened))
    return opened, np.concatenate(
        [event.pcm for event in events if isinstance(event, AudioReceived)]
    )


@pytest.mark.parametrize("in_ogg", [False, True])
def test_deepgram_clients_may_send_opus(in_ogg: bool, voice: Pcm) -> None:
    packets = encoded(Codec.OPUS, voice)
    messages = [HEADERS, *(page([packet]) for packet in packets)] if in_ogg else packets

    opened, heard = audio_of("/v1/listen", {"encoding": "opus", "sample_rate": "48000"}, messages)

    assert opened.rate == RATE
    assert likeness(heard, voice) > 0.9


def test_asterisk_may_send_g722(voice: Pcm) -> None:
    start = "MEDIA_START connection_id:x channel:WebSocket/x channel_id:c-1.1 format:g722 ptime:20"

    opened, heard = audio_of("/asterisk", {}, [start, *encoded(Codec.G722, voice)])

    assert opened.rate == RATE
    assert likeness(heard, voice) > 0.99


def test_a_server_without_the_library_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # as Python marks a missing module
    dialect = registry.open_dialect(Request("/v1/listen", (("encoding", "opus"),)))

    with pytest.raises(DialectError, match=r"pip install 'trunkline\[codecs\]'"):
        dialect.receive(b"\xfc\xff\xfe")


# The cost of one message

NOTHING = bytes([(3 << 3) | 3, 2])
"""Two bytes that stand for two frames of 60 ms."""


def steps(frame: bytes, frames: Frames) -> list[int]:
    """Samples that each step of decoding gives."""
    return [len(piece[0]) if piece else 0 for piece in frames.pieces(frame)]


def test_a_small_message_that_stands_for_minutes_is_refused_before_anything_is_decoded() -> None:
    frames = Frames(Codec.OPUS)
    bomb = HEADERS + b"".join(page([NOTHING] * 255) for _ in range(81))

    with pytest.raises(ValueError, match="one message of 2478 s of audio: send at most 150 s"):
        steps(bomb, frames)

    assert len(bomb) < 65_536
    assert (frames.heard, frames.pending) == (0, 0)


def test_one_step_decodes_at_most_a_second_and_the_pending_samples_are_known() -> None:
    frames = Frames(Codec.OPUS)
    pages = b"".join(page([NOTHING] * 200) for _ in range(5))
    pieces = frames.pieces(HEADERS + pages)

    first = next(pieces)
    announced = frames.pending
    given = [len(piece[0]) for piece in pieces]

    assert first == []
    assert announced == 1_000 * 1_920
    assert len(given) == 125
    assert max(given) <= RATE
    assert frames.pending == 0


@pytest.mark.parametrize(
    ("codec", "frame"),
    [
        (Codec.G722, bytes(65_536)),
        (Codec.OPUS, HEADERS + b"".join(page([b"\x00"] * 255) for _ in range(30))),
        (Codec.OPUS, HEADERS + b"".join(page([b"\xe0"] * 255) for _ in range(30))),  # 2.5 ms each
        (Codec.OPUS, HEADERS + page([b""] * 255) * 200),
    ],
)
def test_no_shape_of_a_message_makes_a_longer_step(codec: Codec, frame: bytes) -> None:
    given = steps(frame, Frames(codec))

    assert max(given) <= RATE


def test_the_longest_message_of_raw_audio_would_be_taken_compressed_too() -> None:
    assert LONGEST_FRAME_SECONDS > 2**20 / 8_000


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from(Codec), st.lists(st.binary(max_size=400), max_size=20))
def test_any_frames_are_decoded_in_bounded_steps_or_refused(codec: Codec, raw: list[bytes]) -> None:
    frames = Frames(codec)
    try:
        given = [samples for frame in raw for samples in steps(frame, frames)]
    except ValueError:
        return
    assert max(given, default=0) <= RATE
    assert frames.heard == sum(given)
