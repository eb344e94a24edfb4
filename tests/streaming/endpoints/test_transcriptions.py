"""`POST /v1/audio/transcriptions` over real sockets, through the whole pipeline."""

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook
from support.containers import CONTAINERS, packed
from support.engines import LengthTeller
from support.examples import IS_LONG
from support.http_client import http_client
from support.pipeline import Pipeline, pipeline
from support.ports import free_port
from support.receiver import Receiver, receiving
from support.stored import stored_call
from support.waiting import until

from broker.redis_keys import DeliveryKeys
from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.auth.credentials import Permit
from protocol.dialects.openai.transcriptions import Wanted
from protocol.outgoing.destinations import Destinations, read_networks
from protocol.outgoing.webhooks import Callback
from streaming.endpoints.jobs.job_callbacks import JobCallbacks
from streaming.endpoints.jobs.job_spec import JobSpec
from streaming.settings import GatewaySettings

SPEECH = Path(__file__).parents[2] / "speech" / "prompts"
PATH = "/v1/audio/transcriptions"


def speech() -> Pcm:
    pcm = read_recording(SPEECH / "cannot-complete-as-dialed.wav").channels[0]
    return np.concatenate([pcm, np.zeros(6_000, np.int16)])


@pytest.fixture
async def site(redis: Redis, tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Pipeline]]:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0)
    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it,
        http_client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client, it


async def post(client: httpx.AsyncClient, content: bytes, **fields: str) -> httpx.Response:
    return await client.post(
        PATH, files={"file": ("call.bin", content)}, data={"model": "whisper-1", **fields}
    )


async def test_every_container_gives_the_same_words(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, _ = site
    texts = {}
    for name in CONTAINERS if IS_LONG else ("wav", "mp3", "m4a", "webm"):
        answer = await post(client, packed(speech(), name))
        assert answer.status_code == 200, (name, answer.text)
        texts[name] = [int(word) for word in answer.json()["text"].split() if word.isdigit()]

    lengths = {name: sum(found) for name, found in texts.items()}
    assert all(abs(one - lengths["wav"]) <= 3 for one in lengths.values()), lengths


async def test_every_form_of_the_answer_holds_the_words_and_keywords(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, it = site
    content = packed(speech(), "wav")
    said = {
        form: (await post(client, content, response_format=form, prompt="Acme, Orvanta")).text
        for form in ("json", "text", "srt", "vtt", "verbose_json")
    }
    verbose = json.loads(said["verbose_json"])

    assert all("tenths" in text and "Acme" in text and "Orvanta" in text for text in said.values())
    assert json.loads(said["json"])["text"] == said["text"].strip() == verbose["text"]
    assert said["vtt"].startswith("WEBVTT\n\n00:00:")
    assert verbose["segments"][0]["end"] <= verbose["duration"]
    assert len(it.store.calls()) == 5


async def test_diarized_json_has_a_segment_for_each_speaker(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, _ = site

    answer = await post(client, packed(speech(), "wav"), response_format="diarized_json")

    diarized = answer.json()
    assert diarized["text"] == " ".join(one["text"] for one in diarized["segments"])
    assert {one["type"] for one in diarized["segments"]} == {"transcript.text.segment"}
    assert {one["speaker"] for one in diarized["segments"]} == {"unknown"}  # no encoder here


async def test_words_have_times_if_they_are_asked_for(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, _ = site
    content = packed(speech(), "wav")
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}

    body = (await post(client, content, **fields)).json()

    assert body["text"] == "30 tenths."
    assert [word["word"] for word in body["words"]] == ["30", "tenths"]  # as OpenAI: without signs
    assert all(word["start"] <= word["end"] for word in body["words"])


async def test_the_channels_of_a_stereo_file_are_transcribed_apart(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, _ = site
    pcm = speech()
    both = np.stack([pcm, np.roll(pcm, 3_000)], axis=1)

    answer = await post(client, packed(both, "flac", "stereo"), response_format="verbose_json")

    assert {one["channel"] for one in answer.json()["segments"]} == {0, 1}


async def test_an_answer_can_be_streamed(site: tuple[httpx.AsyncClient, Pipeline]) -> None:
    client, _ = site
    pcm = np.concatenate([speech(), speech()])

    answer = await post(client, packed(pcm, "mp3"), stream="true")

    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
    assert [one["type"] for one in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert events[-1]["type"] == "transcript.text.done"
    assert "".join(one["delta"] for one in events[:-1]).strip() == events[-1]["text"]


@pytest.mark.parametrize(
    ("content", "fields", "complaint"),
    [
        (b"", {}, "no readable audio"),
        (b"ID3 nothing", {}, "no readable audio"),
        (b"#EXTM3U\nhttp://127.0.0.1:1/x.ts\n", {}, "no readable audio"),
        (b"RIFF", {"response_format": "diarized"}, "response_format is one of"),
        (b"RIFF", {"language": "!"}, "a language is a code"),
        (b"RIFF", {"prompt": "x" * 20_000}, "at most 16384"),
    ],
)
async def test_what_cannot_be_transcribed_is_refused_in_openais_form(
    site: tuple[httpx.AsyncClient, Pipeline], content: bytes, fields: dict[str, str], complaint: str
) -> None:
    client, _ = site

    answer = await post(client, content, **fields)

    assert answer.status_code == 400
    assert complaint in answer.json()["error"]["message"]


async def test_a_body_that_is_no_form_is_refused(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, _ = site
    plain = await client.post(PATH, content=b"audio")
    broken = await client.post(
        PATH, content=b"audio", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    without = await client.post(PATH, data={"model": "m"}, files={"other": b"x"})

    assert {one.status_code for one in (plain, broken, without)} == {400}


async def test_deepgrams_form_takes_the_same_files(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, _ = site

    answer = await client.post("/v1/listen", content=packed(speech(), "mp3"))
    raw = await client.post("/v1/listen", content=b"nothing at all")

    assert "tenths" in answer.json()["results"]["channels"][0]["alternatives"][0]["transcript"]
    assert raw.status_code == 400
    assert "send a WAV file" in raw.json()["err_msg"]


async def ended_job(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = (await client.get(url)).json()
        return None if job["status"] == "running" else job

    return await until(ended)


async def test_a_long_recording_is_a_job_whose_transcript_is_stored(
    site: tuple[httpx.AsyncClient, Pipeline],
) -> None:
    client, it = site
    pcm = np.concatenate([speech()] * 3)

    started = await post(client, packed(pcm, "mp3"), background="true", call_id="long one")
    url = started.headers["location"]
    job = await ended_job(client, url)
    stored = await stored_call(it.store, job["call_id"])

    assert (started.status_code, started.json()["status"]) == (202, "running")
    assert (job["status"], job["id"]) == ("done", "long=20one")
    assert abs(job["played_ms"] - len(pcm) // 8) < 1_000
    assert "tenths" in stored.text_of(0)


async def test_a_job_that_fails_says_why(redis: Redis, tmp_path: Path) -> None:
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0, hold_seconds=0.5)
    async with (
        pipeline(redis, tmp_path, None, gateway=settings),
        http_client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        started = await post(client, packed(speech(), "wav"), background="true")
        job = await ended_job(client, started.headers["location"])
        unknown = await client.get("/v1/jobs/nobody")

    assert (job["status"], "try again" in job["error"]) == ("failed", True)
    assert unknown.status_code == 404


SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


@pytest.fixture
async def calling_back(
    redis: Redis, tmp_path: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, Receiver]]:
    """A gateway that may send callbacks to this machine, and a receiver of them."""
    port = free_port()
    settings = GatewaySettings(http_port=port, drain_seconds=0, callback_networks="127.0.0.1")
    async with (
        receiving() as receiver,
        pipeline(redis, tmp_path, LengthTeller(), gateway=settings),
        http_client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client, receiver


async def test_the_end_of_a_job_is_told_to_its_callback(
    calling_back: tuple[httpx.AsyncClient, Receiver], redis: Redis
) -> None:
    client, receiver = calling_back
    url = f"http://127.0.0.1:{receiver.port}/done?of=me"

    started = await post(client, packed(speech(), "mp3"), callback=url, callback_secret=SECRET)
    (told,) = await receiver.until(1)
    said = Webhook(SECRET).verify(told.body, told.headers)
    job = (await client.get(started.headers["location"])).json()

    assert (started.status_code, told.path) == (202, "/done?of=me")
    assert (said["type"], said["data"]) == ("job.done", job)
    assert job["id"] == started.json()["id"]


async def test_deepgrams_form_calls_back_with_the_whole_result(
    calling_back: tuple[httpx.AsyncClient, Receiver],
) -> None:
    client, receiver = calling_back
    url = f"http://127.0.0.1:{receiver.port}/done"
    content = packed(speech(), "mp3")

    asked = {
        "callback": url,
        "callback_secret": SECRET,
        "extra": "queue:sales",
        "utterances": "true",
    }
    answer = await client.post("/v1/listen", params=asked, content=content)
    (told,) = await receiver.until(1)
    said = Webhook(SECRET).verify(told.body, told.headers)
    whole = await client.post("/v1/listen", params={"extra": "queue:sales"}, content=content)

    assert set(answer.json()) == {"request_id"}
    assert said["metadata"]["request_id"] == answer.json()["request_id"]
    assert said["metadata"]["sha256"] == whole.json()["metadata"]["sha256"]
    assert said["results"]["channels"] == whole.json()["results"]["channels"]
    assert len(said["results"]["utterances"]) == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"callback": "https://10.0.0.1/"}, "not public"),
        ({"callback": "http://example.com/"}, "use https"),
        ({"callback": "https://example.com/", "callback_method": "put"}, "callback_method is post"),
        ({"callback": "https://example.com/", "callback_secret": "guess"}, "whsec_ and 24"),
    ],
)
async def test_a_callback_of_deepgrams_form_that_cannot_be_made_is_refused(
    site: tuple[httpx.AsyncClient, Pipeline], asked: dict[str, str], sentence: str
) -> None:
    client, _ = site

    answer = await client.post("/v1/listen", params=asked, content=packed(speech(), "wav"))

    assert answer.status_code == 400
    assert sentence in answer.json()["err_msg"]


async def test_a_job_that_no_gateway_continued_is_told_as_failed(redis: Redis) -> None:
    keys = DeliveryKeys("callbacks", "acme")
    here = Destinations(read_networks(["127.0.0.1"]))
    async with receiving() as receiver:
        callback = Callback(f"http://127.0.0.1:{receiver.port}/", SECRET)
        spec = JobSpec("c1", Permit("key:1", "acme"), wanted=Wanted(), callback=callback)
        gateway, other = JobCallbacks(redis, here), JobCallbacks(redis, here)
        await gateway.begin(spec)
        await gateway.still_running(spec)  # and then all gateways were gone
        early = await redis.zcount(keys.due, "-inf", time.time() + 3_500)
        await redis.zadd(keys.due, {"acme/c1": 0})  # an hour is over
        async with other.running():
            (told,) = await receiver.until(1)

    said = Webhook(SECRET).verify(told.body, told.headers)
    assert early == 0
    assert (said["type"], said["data"]["call_id"]) == ("job.failed", "c1")
    assert "the gateway of this job has ended" in said["data"]["error"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"callback": "https://example.com/"}, "needs callback_secret"),
        ({"callback": "https://example.com/", "callback_secret": "guess"}, "whsec_ and 24"),
        ({"callback": "https://10.0.0.1/", "callback_secret": SECRET}, "not public"),
        ({"callback": "http://example.com/", "callback_secret": SECRET}, "use https"),
    ],
)
async def test_a_callback_that_cannot_be_made_is_refused_at_once(
    site: tuple[httpx.AsyncClient, Pipeline], fields: dict[str, str], sentence: str
) -> None:
    client, _ = site

    answer = await post(client, packed(speech(), "wav"), **fields)

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]
