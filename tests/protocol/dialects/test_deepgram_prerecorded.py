"""Deepgram's API for recordings."""

import io
import json
import wave
from itertools import count
from typing import Any

import numpy as np
import pytest
from recordings import request as live_request

from protocol.audio import Encoding, encode
from protocol.bridge_events import DialectError
from protocol.codecs.wav import Samples
from protocol.dialects.base import Request
from protocol.dialects.deepgram.live_results import LiveResults
from protocol.dialects.deepgram.prerecorded import Report, as_live, recording

LEFT, RIGHT = np.array([1, 3], np.int16), np.array([2, 4], np.int16)


def posted(query: str = "", content_type: str = "") -> Request:
    asked = live_request(f"/v1/listen?{query}")
    return Request(asked.path, asked.query, (("content-type", content_type),))


def wav(rate: int = 8_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(2)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(np.stack([LEFT, RIGHT], axis=1).tobytes())
    return file.getvalue()


def samples(heard: Samples) -> list[list[int]]:
    """Each channel, read in pieces of one frame."""
    channels: list[list[int]] = np.concatenate(list(heard.pieces(1))).T.tolist()
    return channels


NUMBERS = count()


def results(text: str, channel: int = 0, **said: Any) -> str:
    words = [{"word": word, "confidence": 0.5} for word in text.split()]
    body = {
        "type": "Results",
        "channel_index": [channel, 2],
        "start": 1.0,
        "duration": 0.5,
        "is_final": True,
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.5, "words": words}]},
        "metadata": {"model_info": {"name": "moonshine", "version": "1", "arch": "trunkline"}},
        "x": {"segment_id": f"{channel}-{next(NUMBERS)}"},
    }
    return json.dumps(body | said)


METADATA = json.dumps(
    {
        "type": "Metadata",
        "request_id": "call-1",
        "created": "2026-11-23T00:00:00.000Z",
        "duration": 2.0,
        "channels": 2,
        "tags": ["ci"],
        "x": {"warnings": [], "ended": "completed"},
    }
)


def test_a_wav_file_says_itself_what_it_is() -> None:
    heard = recording(posted("encoding=mulaw", "application/octet-stream"), wav(44_100))

    assert heard.rate == 44_100
    assert samples(heard) == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("query", "content_type"),
    [("encoding=mulaw", ""), ("encoding=mulaw&sample_rate=8000", "audio/raw"), ("", "audio/basic")],
)
def test_raw_audio_is_what_the_query_or_the_media_type_says(query: str, content_type: str) -> None:
    heard = recording(
        posted(query, content_type), encode(np.array([0, 8], np.int16), Encoding.MULAW)
    )

    assert (heard.rate, samples(heard)) == (8_000, [[0, 8]])


def test_the_channels_of_raw_audio_are_taken_apart_and_half_a_sample_at_the_end_is_left() -> None:
    heard = recording(
        posted("encoding=linear16&sample_rate=16000&channels=2"), b"\1\0\2\0\3\0\4\0\5"
    )

    assert (heard.rate, samples(heard)) == (16_000, [[1, 3], [2, 4]])


@pytest.mark.parametrize(
    ("asked", "body", "complaint"),
    [
        (posted("", "application/json"), b'{"url":"https://x/y.wav"}', "url is not supported"),
        (posted("url=https://x"), wav(), "url is not supported"),
        (posted("", "audio/mpeg"), b"ID3", "send a WAV file"),
        (posted("encoding=opus"), b"OggS", "send a WAV file"),
        (posted("encoding=linear16&sample_rate=96000"), b"\0\0", "send 8000 to 48000"),
        (posted("encoding=linear16&sample_rate=8k"), b"\0\0", "sample_rate must be a whole number"),
        (posted("encoding=mulaw"), b"", "the body contains no audio"),
        (posted("encoding=linear16"), b"\0", "the body contains no audio"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_send(
    asked: Request, body: bytes, complaint: str
) -> None:
    with pytest.raises(DialectError, match=complaint):
        recording(asked, body)


def test_a_recording_is_said_as_a_live_client_says_it() -> None:
    asked = posted("encoding=mulaw&utterances=true&keyterm=Acme&keyterm=Orvanta")

    live = as_live(asked, 8_000, 2)

    assert [value for name, value in live.query if name == "keyterm"] == ["Acme", "Orvanta"]
    assert (live.first("encoding"), live.first("sample_rate"), live.first("channels")) == (
        "linear16",
        "8000",
        "2",
    )


def test_all_finals_of_a_channel_make_one_transcript() -> None:
    live = LiveResults()

    for message in (
        results("my name"),
        results("yes", channel=1),
        results("is Ada"),
        results("is", is_final=False),
        METADATA,
    ):
        live.apply(message)

    answer = Report(live, posted("utterances=true"), "").answer()
    said = [one["alternatives"][0]["transcript"] for one in answer["results"]["channels"]]
    assert said == ["my name is Ada", "yes"]
    assert [one["transcript"] for one in answer["results"]["utterances"]] == [
        "my name",
        "yes",
        "is Ada",
    ]
    assert answer["metadata"]["models"] == ["moonshine"]
    assert answer["metadata"]["tags"] == ["ci"]


def test_a_stretch_without_words_is_a_warning_and_not_silence() -> None:
    live = LiveResults()

    for message in (results("", x={"segment_id": "0-0", "failed": "no engine"}), METADATA):
        live.apply(message)

    (warning,) = Report(live, posted(), "").answer()["metadata"]["warnings"]
    assert warning["message"] == "nothing could be written of 1.0 to 1.5 s"


def test_segments_are_unfinished_from_the_first_sound_to_the_final() -> None:
    live = LiveResults()
    live.apply('{"type":"SpeechStarted"}')
    live.apply('{"type":"SpeechStarted"}')

    before = live.unfinished
    live.apply(results("yes"))

    assert (before, live.unfinished, live.complete) == (2, 1, False)
