"""Redaction through the whole pipeline: bridge, gateway, worker, recorder.  Real sockets and Valkey."""

import io
import json
import wave
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.http_client import http_client
from support.pipeline import calling, pipeline, stream
from support.ports import free_port
from support.redis_watch import everything_in, monitored
from support.stored import stored_call
from support.webhooks import hook
from test_pipeline import mulaw, speech
from websockets.asyncio.client import connect

from protocol.audio import Pcm
from streaming.settings import GatewaySettings
from transcripts.formats.export import FORMS, export
from transcripts.settings import RecorderSettings
from transcripts.text_forms import WordsForm, in_form
from transcripts.webhooks.events import EventKind
from workers.engines.base import Capabilities, Effort, Hypothesis, RecognisedWord, Utterance

SPOKEN = (
    "so my card number is four seven three eight",
    "two nine one six zero five six three",
    "seven four eight one and the code is eight two seven",
)
"""A card number over three segments, and its code."""

KEYED = "4738291605637481#0931#827#"
SECRETS = (
    "seven three eight", "two nine one", "nine one six", "five six three", "four eight one", "eight two seven",
    "47382916", "29160563", "05637481",
)  # fmt: skip
"""Parts of the number, as words and as digits."""

LIVE = {
    "deepgram": "/v1/listen?encoding=mulaw&sample_rate=8000&interim_results=true&smart_format=true&search=seven",
    "openai": "/v1/realtime?intent=transcription",
}

SAID = ("this is 4738", "2916 0563 7481 thanks", "my order is 5521")


class InTurn:
    """
    Recognises in each segment of a channel the next of `texts`; in a partial, the text of the segment so far.

    Segments that end together may be recognised in any order.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self.capabilities = Capabilities(
            name="in-turn", languages=frozenset({"en", "ja"}), max_batch=1
        )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        return [self._heard(one) for one in batch]

    def _heard(self, one: Utterance) -> Hypothesis:
        number = int(one.key.rpartition("-")[2])
        text = self._texts[number % len(self._texts)]
        if one.effort is Effort.PARTIAL:
            text = text.rpartition(" ")[0]
        return Hypothesis(tuple(map(RecognisedWord, text.split())))


def leaks(text: str) -> list[str]:
    """The secrets in a text; digits count with the signs and spaces of any grouping left out."""
    bare = text.replace(" ", "").replace("-", "")
    return [one for one in SECRETS if one in text or (one.isdigit() and one in bare)]


def wav_of(pcm: Pcm) -> bytes:
    """A WAV file with one channel at 8 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8_000)
        written.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()


def content_of(folder: Path) -> str:
    """The bytes of the store, its index and its log."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("store.db*"))


async def of_other_client(url: str, audio: bytes) -> str:
    """All messages that a client of another service receives of a call."""
    heard: list[str] = []
    is_openai = "realtime" in url
    async with connect(url, compression=None) as socket:
        if is_openai:
            format_ = {"format": {"type": "audio/pcmu"}}
            session = {"type": "transcription", "audio": {"input": format_}}
            await socket.send(json.dumps({"type": "session.update", "session": session}))
        for start in range(0, len(audio), 1_600):
            piece = audio[start : start + 1_600]
            message = {"type": "input_audio_buffer.append", "audio": b64encode(piece).decode()}
            await socket.send(json.dumps(message) if is_openai else piece)
        if not is_openai:
            await socket.send('{"type":"CloseStream"}')
        wanted = 3 if is_openai else 10**6
        async for answer in socket:
            heard.append(str(answer))
            if sum("transcription.completed" in one for one in heard) >= wanted:
                break
    return "\n".join(heard)


async def test_no_byte_of_a_call_with_a_card_holds_its_digits_or_words(
    redis: Redis, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    audio = mulaw(speech(3))
    recorder = RecorderSettings(webhook_networks="127.0.0.1")
    async with (
        hook() as receiver,
        pipeline(redis, tmp_path, InTurn(SPOKEN), recorder=recorder) as it,
        monitored(redis) as commands,
    ):
        it.store.webhooks.add("", receiver.url, list(EventKind))
        async with calling(it.url, call_id="c1", format=True) as (bridge, heard):
            await stream(bridge, audio, frame=160, pace=20)
            await heard.until("segment.final", 3)
            for key in KEYED:
                await bridge.send(json.dumps({"type": "dtmf", "digit": key}))
                await bridge.send(b"\xff" * 160)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        answers = {name: await of_other_client(it.url + path, audio) for name, path in LIVE.items()}
        transcript = await stored_call(it.store, "c1")
        # several requests are sent at a time: they may come in another order
        await receiver.until(
            lambda it: all(one in b"".join(it.bodies) for one in (b"call.stored", b"[CARD_NUMBER]"))
        )
        left = await everything_in(redis)

    logs = "".join(capfd.readouterr())
    keyed = [event["digit"] for event in heard.of("dtmf")]
    assert keyed == ["[CARD_NUMBER]", "#", "[EXPIRY]", "#", "[SECURITY_CODE]", "#"]
    texts = [segment.text for segment in transcript.segments]
    assert texts[:3] == [
        "So my card number is [CARD_NUMBER]",
        "[CARD_NUMBER]",
        "[CARD_NUMBER] and the code is [SECURITY_CODE]",
    ]
    assert any("HSET" in one or "XADD" in one for one in commands)
    assert all("[CARD_NUMBER]" in answer for answer in answers.values())
    assert any(b"[CARD_NUMBER]" in body for body in receiver.bodies)
    places = {
        "events": json.dumps(heard.events),
        "commands": "\n".join(commands),
        "redis": left.decode("latin-1"),
        "files": content_of(tmp_path),
        "logs": logs,
        "webhooks": b"\n".join(receiver.bodies).decode(),
        **answers,
        **{
            f"{form}, {words}": export(in_form(transcript, words), form)
            for form in FORMS
            for words in WordsForm
        },
    }
    assert {name: found for name, text in places.items() if (found := leaks(text))} == {}


async def test_client_and_store_see_no_card_number(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, InTurn(SAID)) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, mulaw(speech(3)), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        transcript = await stored_call(it.store, "c1")

    shown = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    shown |= {event["segment_id"]: event["text"] for event in heard.of("segment.revised")}
    stored = [segment.text for segment in transcript.segments]
    assert stored == list(shown.values())
    assert stored[:3] == ["this is [CARD_NUMBER]", "[CARD_NUMBER] thanks", "my order is 5521"]
    partials = " ".join(event["text"] for event in heard.of("segment.partial"))
    assert "4738" not in partials and "2916" not in partials
    assert b"2916" not in (tmp_path / "store.db").read_bytes()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/v1/listen?encoding=mulaw&utterances=true", None),
        ("/v1/audio/transcriptions", {"response_format": "verbose_json"}),
    ],
)
async def test_the_answer_to_a_posted_recording_has_no_digits_that_later_words_made_a_card(
    redis: Redis, tmp_path: Path, path: str, form: dict[str, str] | None
) -> None:
    port = free_port()
    audio = speech(3)
    async with (
        pipeline(redis, tmp_path, InTurn(SAID), gateway=GatewaySettings(http_port=port)),
        http_client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        if form is None:
            answer = await client.post(path, content=mulaw(audio))
        else:
            file = {"file": ("call.wav", wav_of(audio))}
            answer = await client.post(path, data=form, files=file)

    assert answer.status_code == 200, answer.text
    assert "4738" not in answer.text
    assert "2916" not in answer.text
    assert "this is [card_number] " in answer.text.lower()


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_a_call_is_told_if_number_words_of_its_language_are_not_known(
    redis: Redis, tmp_path: Path, language: str
) -> None:
    async with pipeline(redis, tmp_path, InTurn(SAID)) as it:
        async with calling(it.url, call_id="c1", language=language) as (bridge, heard):
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    codes = [event["code"] for event in heard.of("warning")]
    assert codes == ([] if language == "en" else ["redaction_limited"])


async def test_a_policy_file_decides(redis: Redis, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("kinds = []\n")
    settings = GatewaySettings(redaction_policy=policy)

    async with pipeline(redis, tmp_path, InTurn(SAID[1:]), gateway=settings) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, mulaw(speech(1)), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert heard.of("segment.final")[0]["text"] == SAID[1]


def test_a_gateway_does_not_start_without_its_policy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="redaction policy cannot be read"):
        GatewaySettings(redaction_policy=tmp_path / "missing.toml")
