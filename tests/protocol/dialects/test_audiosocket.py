"""AudioSocket: framing of a stream that is split anywhere, and the meaning of the frames."""

import itertools
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import Encoding, encode
from protocol.bridge_events import AudioReceived, CallClosed, CallOpened, DialectError, DtmfReceived
from protocol.calls.call import Role
from protocol.dialects.audiosocket import (
    GREETING,
    HANG_UP,
    SILENCE,
    AudioSocket,
    Frame,
    FrameSplitter,
    greeting,
)
from protocol.dialects.base import Request

OWN = UUID("9f7c0f0e-4a0f-4f2b-8f0e-3a5b6c7d8e9f")
PCM = np.arange(-80, 80, dtype=np.int16)
SOUND = bytes(Frame(0x10, encode(PCM, Encoding.L16)))
WIDE = bytes(Frame(0x12, encode(np.tile(PCM, 2), Encoding.L16)))
FIVE = bytes(Frame(0x03, b"5"))


def connection(*said: tuple[str, str]) -> AudioSocket:
    return AudioSocket(OWN, Request("/audiosocket", said))


# Frames


def test_the_first_frame_has_a_uuid() -> None:
    first = bytes(Frame(0x01, OWN.bytes))

    assert len(first) == GREETING
    assert greeting(first) == OWN


@pytest.mark.parametrize(
    "first",
    [b"", b"GET / HTTP/1.1\r\nHo", bytes(Frame(0x01, b"short")), bytes(Frame(0x10, OWN.bytes))],
)
def test_a_missing_uuid_frame_is_explained(first: bytes) -> None:
    with pytest.raises(DialectError, match="begin with a frame of kind 1"):
        greeting(first)


@given(
    frames=st.lists(st.builds(Frame, st.integers(0, 255), st.binary(max_size=700)), max_size=8),
    data=st.data(),
)
def test_frames_come_out_whole_wherever_the_network_cuts_them(
    frames: list[Frame], data: st.DataObject
) -> None:
    stream = b"".join(map(bytes, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    cutter = FrameSplitter()

    found = [
        frame
        for start, end in itertools.pairwise([0, *cuts, len(stream)])
        for frame in cutter.receive(stream[start:end])
    ]

    assert found == frames


def test_what_we_say_is_what_asterisk_understands() -> None:
    hang_up, silence = FrameSplitter().receive(HANG_UP + SILENCE)

    assert (hang_up.kind, hang_up.payload) == (0x00, b"")
    assert (silence.kind, len(silence.payload)) == (0x10, 320)  # 20 ms


# Meaning


def test_the_first_sound_opens_the_call_under_its_uuid() -> None:
    opened, audio = connection().receive(SOUND)

    assert opened == CallOpened(str(OWN), (Role.MIXED,), rate=8_000, encoding="l16")
    assert isinstance(audio, AudioReceived)
    assert audio.pcm.tolist() == PCM.tolist()


def test_the_kind_of_the_first_sound_says_its_rate() -> None:
    opened, audio = connection().receive(WIDE)

    assert isinstance(opened, CallOpened)
    assert opened.rate == 16_000
    assert isinstance(audio, AudioReceived)
    assert len(audio.pcm) == 320


def test_what_was_registered_holds() -> None:
    said = (
        ("call_id", "crm-17"),
        ("role", "customer"),
        ("keywords", "Acme, Orvanta"),
        ("crm", "x"),
    )

    opened = connection(*said).receive(SOUND)[0]

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "crm-17"
    assert opened.roles == (Role.CUSTOMER,)
    assert opened.config.keywords.terms == ("Acme", "Orvanta")
    assert ("crm", "x") in opened.metadata


def test_faults_of_a_registration_are_reported_and_the_call_is_accepted() -> None:
    asterisk = connection(("role", "boss"))

    assert [warning.split(":")[0] for warning in asterisk.warnings] == ["role was ignored"]
    opened, _ = asterisk.receive(SOUND)
    assert isinstance(opened, CallOpened)
    assert opened.roles == (Role.MIXED,)


def test_keys_before_the_first_sound_wait_for_it() -> None:
    asterisk = connection()

    assert asterisk.receive(FIVE) == []
    opened, pressed, audio = asterisk.receive(SOUND)

    assert isinstance(opened, CallOpened)
    assert pressed == DtmfReceived(0, "5")
    assert isinstance(audio, AudioReceived)


@pytest.mark.parametrize("ending", [HANG_UP, bytes(Frame(0xFF)), bytes(Frame(0xFF, b"\x01"))])
def test_a_hang_up_and_an_error_end_the_call(ending: bytes) -> None:
    asterisk = connection()
    asterisk.receive(SOUND)

    assert asterisk.receive(ending + SOUND) == [CallClosed()]
    assert asterisk.receive(SOUND) == []


def test_a_connection_with_only_dtmf_is_a_call() -> None:
    opened, pressed, closed = connection().receive(FIVE + HANG_UP)

    assert isinstance(opened, CallOpened)
    assert pressed == DtmfReceived(0, "5")
    assert closed == CallClosed()


def test_a_kind_of_next_year_is_passed_over() -> None:
    opened, _ = connection().receive(bytes(Frame(0x42, b"?")) + SOUND)

    assert isinstance(opened, CallOpened)


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (bytes(Frame(0x17, bytes(960))), "audio of kind 0x17 is not supported"),
        (SOUND + WIDE, "sound of 16000 Hz in a call of 8000 Hz"),
        (bytes(Frame(0x01, OWN.bytes)), "a second UUID"),
        (bytes(Frame(0x03, b"x")), "digit must be one of"),
        (FIVE * 65, "too many DTMF frames"),
    ],
)
def test_asterisk_is_blamed_precisely(stream: bytes, complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        connection().receive(stream)


def test_text_is_no_part_of_it() -> None:
    with pytest.raises(DialectError, match="carry binary data"):
        connection().receive("hello")


LIKELY = st.one_of(
    st.sampled_from(
        [SOUND, WIDE, FIVE, HANG_UP, bytes(Frame(0x01, OWN.bytes)), b"\x10", b"\x00\x01"]
    ),
    st.binary(max_size=40),
)


@given(st.lists(LIKELY, max_size=12))
def test_any_bytes_give_events_in_order_or_a_dialect_error(chunks: list[bytes]) -> None:
    asterisk = connection()
    events = []
    try:
        for chunk in chunks:
            events += asterisk.receive(chunk)
    except DialectError as exc:
        assert str(exc)  # blame has a name

    opened = [isinstance(event, CallOpened) for event in events]
    assert opened == [place == 0 for place in range(len(events))]
    assert not any(isinstance(event, CallClosed) for event in events[:-1])
    assert asterisk.outbox() == []
