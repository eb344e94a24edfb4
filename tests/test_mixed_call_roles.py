"""
The roles of the speakers of a mixed call, through the real gateway, Valkey and voice encoder.

The demo call, mixed down: its agent greets first ("Thank you for calling Orvanta support ...").
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.containers import packed
from support.http_client import http_client
from support.pipeline import calling, pipeline, stream
from support.ports import free_port
from support.stored import stored_call

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from streaming.settings import GatewaySettings
from transcripts.formats.export import export
from workers.engines.base import Capabilities, Engine, Hypothesis, RecognisedWord, Utterance
from workers.speakers.weights import InstalledVoices, encoder_of

FOLDER = Path(__file__).parents[1] / "cli" / "demo"
TURNS = json.loads((FOLDER / "script.json").read_text())["turns"][:5]

pytestmark = pytest.mark.skipif(
    encoder_of() is None, reason="no weights: `make install`, or trunkline fetch speakers"
)


def mixed() -> Pcm:
    """The first five turns of the call in one channel, of both parties."""
    agent, customer = read_recording(FOLDER / "call.wav").channels
    return (agent + customer)[: int(8_000 * TURNS[4]["end"]) + 8_000]


class Narrator:
    """Recognises the same two words in each second of audio, which are no greeting."""

    capabilities = Capabilities(name="narrator", languages=frozenset({"en"}))

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        return [Hypothesis(tuple(self._words(len(one.samples)))) for one in batch]

    def _words(self, samples: int) -> Iterator[RecognisedWord]:
        for at in range(0, samples - 8_000, 8_000):
            yield RecognisedWord("tick", at, at + 8_000)


def spoken_roles(words: list[dict[str, object]]) -> list[tuple[object, object]]:
    """For each word well inside a turn: the role of the turn's speaker, and that of the word."""
    return [
        (turn["role"], word.get("role"))
        for word in words
        for turn in TURNS
        if 1_000 * turn["start"] + 300 <= int(str(word["s"])) <= 1_000 * turn["end"] - 700
    ]


async def posted(
    redis: Redis, folder: Path, engine: Engine, asked: dict[str, str]
) -> tuple[list[dict[str, object]], set[object]]:
    """Post the recording.  Returns the stored words, and the roles of the segments of the response."""
    settings = GatewaySettings(http_port=free_port(), drain_seconds=0)
    url = f"http://127.0.0.1:{settings.http_port}"
    form = {"model": "x", "call_id": "c-1", "response_format": "diarized_json", **asked}

    async with (
        pipeline(redis, folder, engine, gateway=settings, voices=InstalledVoices()) as it,
        http_client(base_url=url) as client,
    ):
        answer = await client.post(
            "/v1/audio/transcriptions",
            files={"file": ("call.wav", packed(mixed(), "wav"))},
            data=form,
        )
        stored = await stored_call(it.store, "c-1")

    exported = json.loads(export(stored, "json"))["segments"]
    told = {segment.get("role") for segment in answer.json()["segments"]}
    return [word for one in exported for word in one["words"]], told


def share_right(words: list[dict[str, object]], agent: str | None, customer: str | None) -> float:
    """
    Share of the words that have the role shown for their speaker: `agent` for the first, `customer` for the second.

    Of the words of a real engine and of the narrator there are more than thirty.
    """
    pairs = spoken_roles(words)
    expected = {"agent": agent, "customer": customer}
    assert len(pairs) > 30
    return sum(expected[str(spoken)] == found for spoken, found in pairs) / len(pairs)


@pytest.mark.long
async def test_a_posted_recording_is_stored_with_the_roles_that_the_greeting_tells(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    words, told = await posted(redis, tmp_path, moonshine, {})

    assert share_right(words, "agent", "customer") > 0.9
    assert told == {None}


@pytest.mark.parametrize(
    ("roles", "shown", "expected"),
    [
        ("outbound", ("customer", "agent"), {"agent", "customer"}),
        pytest.param("none", (None, None), {None}, marks=pytest.mark.long),
    ],
)
async def test_a_posted_recording_is_stored_with_the_roles_that_were_asked_for(
    redis: Redis,
    tmp_path: Path,
    roles: str,
    shown: tuple[str | None, str | None],
    expected: set[str | None],
) -> None:
    """Whatever is said: the words are the narrator's."""
    words, told = await posted(redis, tmp_path, Narrator(), {"speaker_roles": roles})

    assert share_right(words, *shown) > 0.9
    assert told == expected


@pytest.mark.long
async def test_without_a_greeting_speakers_have_numbers_and_no_roles(
    redis: Redis, tmp_path: Path
) -> None:
    words, _ = await posted(redis, tmp_path, Narrator(), {})

    assert {word["speaker"] for word in words} == {0, 1}
    assert {word.get("role") for word in words} == {None}


@pytest.mark.long
async def test_a_live_call_tells_the_roles_and_corrects_the_words_before(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    """The first words of the call are final before the second voice is heard."""
    async with pipeline(redis, tmp_path, moonshine, voices=InstalledVoices()) as it:
        async with calling(it.url, call_id="c-1", channels=1, diarize=True) as (bridge, heard):
            await stream(bridge, encode(mixed(), Encoding.MULAW), frame=160, pace=1.2)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        stored = await stored_call(it.store, "c-1")

    first = heard.of("segment.final")[0]
    revised = [
        one for one in heard.of("segment.revised") if one["segment_id"] == first["segment_id"]
    ]
    assert {word.get("role") for word in first["words"]} == {None}
    assert {word.get("role") for word in revised[-1]["words"]} == {"agent"}
    assert revised[-1]["text"] == first["text"]
    last = heard.of("segment.final")[-1]
    assert {word.get("role") for word in last["words"]} == {"customer"}
    assert export(stored, "txt").startswith("[00:00] agent: Thank you for calling")
