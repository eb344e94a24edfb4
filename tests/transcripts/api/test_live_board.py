"""Calls in progress over HTTP: one stream for all of them, cards, and rules; real sockets, the whole pipeline."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from redis.asyncio import Redis
from support.api import RunningApi, bearer, running_api
from support.call_records import CALL, recorded
from support.credentials import site
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.waiting import PATIENCE, until

from broker.redis_keys import Partition
from cli import keys
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.auth.credentials import Scope
from transcripts.api.settings import ApiSettings
from transcripts.store import Store

PROMPTS = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))
CARD = {
    "title": "<img src=x onerror=alert(1)>",
    "text": "Ask for the contract number",
    "link": "https://crm.example.com/42",
    "for": "agent",
    "segment_id": "0-0",
    "card_id": "crm-1",
}


def speech() -> bytes:
    silence = np.zeros(8_000, dtype=np.int16)
    pcm: Pcm = np.concatenate([read_recording(PROMPTS[0]).channels[0], silence])
    return encode(pcm[: len(pcm) // 800 * 800], Encoding.MULAW)


@dataclass(slots=True)
class Board:
    """What a page knows after the messages of `/v1/live`."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, message: dict[str, Any]) -> None:
        if message["snapshot"]:
            self.calls.clear()
        else:
            assert message["n"] == self.ids[-1] + 1
        self.ids.append(message["n"])
        self.calls |= {one["call_id"]: one for one in message["calls"]}
        for name in message["gone"]:
            self.calls.pop(name, None)
        self.news.set()

    async def until(self, done: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not done(self.calls):
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def watching(api: RunningApi, headers: dict[str, str] | None = None) -> AsyncIterator[Board]:
    """Read `/v1/live` as a page does."""
    board, ready = Board(), asyncio.Event()

    async def read() -> None:
        accepted = {"accept": "text/event-stream"} | (headers or {})
        async with api.client.stream("GET", "/v1/live", headers=accepted) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    board.take(json.loads(line[6:]))
                    ready.set()

    reading = asyncio.ensure_future(read())
    await ready.wait()
    try:
        yield board
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_call_appears_with_its_words_and_disappears_after_its_end(
    redis: Redis, tmp_path: Path
) -> None:
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store) as api,
        watching(api) as board,
    ):
        assert board.calls == {}
        metadata = {"agent": "Priya", "from": "+15550100"}
        async with calling(it.url, call_id="c1", metadata=metadata) as (bridge, heard):
            await stream(bridge, speech(), frame=160, pace=20)
            await heard.until("segment.final")
            await board.until(lambda calls: calls.get("c1", {}).get("finals"))
            row = board.calls["c1"]
            async with watching(api) as late:
                await late.until(lambda calls: calls.get("c1", {}).get("finals"))
            listed = (await api.client.get("/v1/live")).json()
            await bridge.send('{"type":"stop"}')
            await board.until(lambda calls: calls.get("c1", {}).get("ended"))
        await board.until(lambda calls: "c1" not in calls)

    assert (row["agent"], row["metadata"]["from"]) == ("Priya", "+15550100")
    assert row["last"]["text"] == heard.of("segment.final")[0]["text"]
    assert [one["call_id"] for one in listed["calls"]] == ["c1"]


async def test_a_card_is_an_event_in_its_place_and_is_kept_with_the_call(
    redis: Redis, tmp_path: Path
) -> None:
    async with pipeline(redis, tmp_path, LengthTeller()) as it, running_api(redis, it.store) as api:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, speech(), frame=160, pace=20)
            await heard.until("segment.final")
            answers = [await api.client.post("/v1/calls/c1/cards", json=CARD) for _ in range(2)]
            event = await heard.until("card")
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        await _stored(api, "c1", 1)
        late = await api.client.post("/v1/calls/c1/cards", json={"title": "Survey"})
        kept = (await api.client.get("/v1/calls/c1/cards")).json()["cards"]
        events = (await api.client.get("/v1/calls/c1/events")).json()["events"]

    assert [answer.status_code for answer in (*answers, late)] == [201, 201, 201]
    assert len(heard.of("card")) == 1
    assert {name: event[name] for name in CARD} == CARD
    assert event["seq"] > heard.of("segment.final")[0]["seq"]
    assert [one["title"] for one in kept] == ["Survey", CARD["title"]]
    assert [one["card_id"] for one in events if one["type"] == "card"] == ["crm-1"]


async def _stored(api: RunningApi, call_id: str, count: int) -> None:
    async def are_stored() -> bool:
        answer = await api.client.get(f"/v1/calls/{call_id}/cards")
        return answer.status_code == 200 and len(answer.json()["cards"]) == count

    await until(are_stored)


async def test_a_card_that_could_harm_or_is_for_no_call_is_refused(
    redis: Redis, store: Store
) -> None:
    store.record(recorded("c1", *CALL))
    bad = [
        {"title": ""},
        {"title": "t" * 201},
        {"title": "t", "link": "javascript:alert(1)"},
        {"title": "t", "link": "https://user:word@evil.example"},
        {"title": "t", "link": "//evil.example"},
        {"title": "t", "segment_id": "../1"},
        {"title": "t", "for": "boss"},
        {"title": "t", "html": "<b>"},
    ]
    async with running_api(redis, store) as api:
        refused = [await api.client.post("/v1/calls/c1/cards", json=one) for one in bad]
        nobody = await api.client.post("/v1/calls/nobody/cards", json={"title": "t"})

    assert {answer.status_code for answer in refused} == {422}
    assert nobody.status_code == 404


RULES = """
rules:
  - name: Anything
    when: {said: [tenths]}
    card: {title: Heard it, for: agent}
"""


async def test_a_rule_adds_its_card_once_for_each_cause_also_with_two_processes(
    redis: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    settings = ApiSettings(rules_file=str(file))
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store, settings) as api,
        running_api(redis, it.store, settings),
    ):
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, speech() * 2, frame=160, pace=20)
            await heard.until("segment.final", 2)
            await heard.until("card", 2)
            async with running_api(
                redis, it.store, settings
            ):  # a third reads the log from its start
                await stream(bridge, speech(), frame=160, pace=20)
                await heard.until("card", 3)
            await bridge.send('{"type":"stop"}')
            ended = await heard.until("call.ended")
        await _stored(api, "c1", ended["segments"])

    finals = {one["segment_id"] for one in heard.of("segment.final")}
    cards = heard.of("card")
    assert len({one["card_id"] for one in cards}) == len(cards)
    assert {one["segment_id"] for one in cards} <= finals
    assert {(one["title"], one["rule"]) for one in cards} == {("Heard it", "Anything")}


async def test_rules_set_by_the_api_are_for_the_calls_of_the_tenant(
    redis: Redis, store: Store, tmp_path: Path
) -> None:
    made = site(tmp_path)
    admin = keys.create(made.file, owner="acme", scopes=(Scope.ADMIN,), days=None, note="", now=0.0)
    body = {"rules": [{"name": "a", "when": {"said": ["x"]}, "card": {"title": "t"}}]}
    async with running_api(redis, store, ApiSettings(keys_file=str(made.file))) as api:

        async def ask(method: str, key: str, content: object = None) -> httpx.Response:
            return await api.client.request(method, "/v1/rules", headers=bearer(key), json=content)

        changed = await ask("PUT", admin, body)
        mine, theirs = await ask("GET", made.acme), await ask("GET", made.globex)
        foreign = {"rules": [body["rules"][0] | {"tenant": "globex"}]}
        refused = [
            await ask("PUT", admin, foreign),
            await ask("PUT", admin, {"rules": [*body["rules"], *body["rules"]]}),
            await ask("PUT", made.acme, body),
        ]

    assert changed.status_code == 200
    assert [one["name"] for one in mine.json()["rules"]] == ["a"]
    assert theirs.json()["rules"] == []
    assert [answer.status_code for answer in refused] == [422, 422, 403]


async def test_the_stream_of_one_tenant_has_nothing_of_another(
    redis: Redis, store: Store, tmp_path: Path
) -> None:
    made = site(tmp_path)
    settings = ApiSettings(keys_file=str(made.file))
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with running_api(redis, store, settings) as api:
            async with (
                calling(it.url, call_id="c1") as (_, heard),
                watching(api, bearer(made.globex)) as board,
            ):
                await heard.until("call.started")
                listed = (await api.client.get("/v1/live", headers=bearer(made.acme))).json()
                refused = await api.client.get("/v1/live", headers=bearer(made.acme_bridge))

    assert board.calls == {}
    assert listed["calls"] == []
    assert refused.status_code == 403


async def test_a_broken_name_among_the_calls_does_not_stop_the_view(
    redis: Redis, tmp_path: Path
) -> None:
    await redis.zadd(Partition(0).calls, {b"\xff\xfe": time.time() + 3_600})
    async with (
        pipeline(redis, tmp_path, LengthTeller()) as it,
        running_api(redis, it.store) as api,
        watching(api) as board,
        calling(it.url, call_id="c1"),
    ):
        await board.until(lambda calls: "c1" in calls)
