"""The short way of dialects for plain audio gives what `receive` gives, or leaves the message to it."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import DialectRecording, load, names, parse

from protocol.bridge_events import AudioReceived, BridgeEvent, CallOpened, DialectError
from protocol.dialects.base import Dialect, Message, PlainAudio
from protocol.events import Entry

RECORDINGS = {name: load(name) for name in names()}


def shown(events: list[BridgeEvent]) -> list[object]:
    """Events, with audio as values that can be compared."""
    return [
        (event.channel, event.pcm.tolist(), event.position)
        if isinstance(event, AudioReceived)
        else event
        for event in events
    ]


def nested(message: Message, depth: int) -> Message:
    """A JSON object with one more field, of arrays in arrays; any other message unchanged."""
    if isinstance(message, bytes) or not message.startswith("{"):
        return message
    return '{"x":' + "[" * depth + "]" * depth + "," + message[1:]


def by_receive(dialect: Dialect, message: Message) -> list[object] | str:
    try:
        events = dialect.receive(message)
    except DialectError as exc:
        return str(exc)
    for event in events:
        if isinstance(event, CallOpened):
            dialect.opened(event.call_id or "call-made-up")
    return shown(events)


def by_audio(dialect: Dialect, message: Message) -> list[object] | None:
    """None if `receive` is to take the message."""
    if not isinstance(dialect, PlainAudio) or (audio := dialect.audio(message)) is None:
        return None
    assert all(len(one.received.pcm) == one.samples for one in audio)
    return shown([one.received for one in audio])


def taken(recording: DialectRecording, messages: list[Message | Entry]) -> int:
    """Give all messages to one dialect by `receive`, to another by `audio` first.  Returns how many that took."""
    long, short, count = recording.open(), recording.open(), 0
    for message in messages:
        if isinstance(message, Entry):
            long.notify(message)
            short.notify(message)
        elif (audio := by_audio(short, message)) is None:
            assert by_receive(short, message) == by_receive(long, message)
        else:
            count += 1
            assert audio == by_receive(long, message)
        assert short.outbox() == long.outbox()
    return count


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_conversation_is_the_same_by_the_short_way(name: str) -> None:
    turns = [turn.happens for turn in RECORDINGS[name].turns]

    again = [message for message in turns for _ in range(2)]

    taken(RECORDINGS[name], turns)
    taken(RECORDINGS[name], again)


@pytest.mark.parametrize("depth", [3, 1_500])
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_message_with_a_nested_field_is_the_same_by_the_short_way(name: str, depth: int) -> None:
    turns = [turn.happens for turn in RECORDINGS[name].turns]

    both = [
        form
        for message in turns
        for form in (message, message if isinstance(message, Entry) else nested(message, depth))
    ]

    taken(RECORDINGS[name], both)


def of(opening: dict[str, object], target: str) -> DialectRecording:
    lines = [{"request": target}, {"bridge": opening}]
    return parse("\n".join(map(json.dumps, lines)))


def coded(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def media(track: object, stamp: object, audio: object) -> str:
    body = {"track": track, "timestamp": stamp, "payload": audio}
    given_fields = {name: value for name, value in body.items() if value is not None}
    return json.dumps({"event": "media", "sequenceNumber": "3", "media": given_fields})


def append(channel: object, position: object, audio: object) -> str:
    body = {"type": "audio", "channel": channel, "position": position, "payload": audio}
    return json.dumps({name: value for name, value in body.items() if value is not None})


AUDIO = st.binary(min_size=0, max_size=330) | st.integers(1, 40).map(lambda n: bytes(range(4 * n)))
PAYLOAD = AUDIO.map(coded) | st.sampled_from(["", "A", "AB==", "A B=", "====", 7, None, "AAA\n"])
NUMBER = st.sampled_from(
    [0, 1, 2, "0", "1", 20, "40", "007", -1, "-1", True, 10**15, "x", "", None]
)
TRACK = st.sampled_from(["inbound", "outbound", "inbound_track", "other", "", 7, None])

MEDIA = st.builds(media, TRACK, NUMBER | st.integers(0, 400), PAYLOAD)
TWILIO = of({"event": "start", "start": {"callSid": "CA1"}}, "/twilio")
SIGNALWIRE = of(
    {"event": "start", "start": {"callSid": "c", "mediaFormat": {"encoding": "audio/x-l16"}}},
    "/signalwire",
)
NATIVE = of({"type": "start", "channels": 2}, "/v1/calls")
NATIVE_L16 = of({"type": "start", "channels": 3, "encoding": "l16"}, "/v1/calls")
VONAGE = of({"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}, "/vonage")
DEEPGRAM = of({"type": "KeepAlive"}, "/v1/listen?encoding=linear16&sample_rate=16000&channels=2")
DEEPGRAM_APART = of(
    {"type": "KeepAlive"}, "/v1/listen?encoding=mulaw&sample_rate=8000&channels=2&multichannel=true"
)


@pytest.mark.parametrize("recording", [TWILIO, SIGNALWIRE], ids=["twilio", "signalwire"])
@given(st.lists(MEDIA, max_size=6))
def test_media_messages_mean_the_same(recording: DialectRecording, messages: list[str]) -> None:
    taken(recording, [*recording.messages, *messages])


@pytest.mark.parametrize("recording", [NATIVE, NATIVE_L16], ids=["mulaw", "l16"])
@given(st.lists(AUDIO | st.builds(append, NUMBER, NUMBER, PAYLOAD), max_size=6))
def test_native_audio_means_the_same(
    recording: DialectRecording, messages: list[Message | Entry]
) -> None:
    taken(recording, [*recording.messages, *messages])


@pytest.mark.parametrize(
    "recording", [VONAGE, DEEPGRAM, DEEPGRAM_APART], ids=["vonage", "deepgram", "apart"]
)
@given(st.lists(AUDIO, max_size=6))
def test_binary_audio_means_the_same(
    recording: DialectRecording, messages: list[Message | Entry]
) -> None:
    taken(recording, [*recording.messages, *messages])


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (TWILIO, media("inbound", "0", coded(bytes(160)))),
        (TWILIO, media(None, 0, coded(bytes(160)))),
        (NATIVE, bytes(320)),
        (NATIVE, append(1, None, coded(bytes(160)))),
        (NATIVE_L16, bytes(960)),
        (VONAGE, bytes(640)),
        (DEEPGRAM_APART, bytes(320)),
    ],
)
def test_usual_frames_take_the_short_way(recording: DialectRecording, message: Message) -> None:
    assert taken(recording, [*recording.messages, message]) == 1


def test_a_control_message_in_a_binary_frame_does_not() -> None:
    assert taken(NATIVE, [*NATIVE.messages, b'{"type":"ping"}']) == 0


def test_a_frame_that_continues_a_sample_does_not() -> None:
    assert taken(NATIVE_L16, [*NATIVE_L16.messages, bytes(7), bytes(5), bytes(6)]) == 1
