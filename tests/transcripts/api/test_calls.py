"""Stored calls over HTTP: real sockets, a real store, a real Valkey."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from support.api import RunningApi, running_api
from support.call_records import CALL, ended, final, recorded, started

from broker.redis_keys import CallKeys
from protocol.events import KeywordsApplied, SegmentId
from protocol.events.event_codec import encode_event
from transcripts.formats.export import FORMS
from transcripts.store import Store


@pytest.fixture
async def site(redis: Redis, store: Store) -> AsyncIterator[RunningApi]:
    store.record(recorded("c1", *CALL))
    store.record(recorded("c2", started(1_700_000_500.0), final("goodbye then"), ended()))
    async with running_api(redis, store) as running:
        yield running


async def listed(site: RunningApi, **parameters: str | int) -> dict[str, Any]:
    answer = await site.client.get("/v1/calls", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_calls_are_listed_newest_first_in_pages(site: RunningApi) -> None:
    first = await listed(site, limit=1)
    second = await listed(site, limit=1, cursor=first["next_cursor"])

    assert [one["call_id"] for one in first["calls"] + second["calls"]] == ["c2", "c1"]
    assert second["next_cursor"] is None
    assert (first["calls"][0]["status"], first["calls"][0]["duration_ms"]) == ("ended", 60_000)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("lexical", 200, "twenty five dollars"),
        ("written", 200, "$25"),
        ("stored", 200, "twenty five dollars"),
        ("other", 400, "words is one of stored, lexical, written"),
    ],
)
async def test_a_transcript_is_read_in_the_form_that_is_asked_for(
    redis: Redis, store: Store, words: str, status: int, text: str
) -> None:
    store.record(recorded("c3", started(), final("twenty five dollars"), ended()))
    async with running_api(redis, store) as site:
        answer = await site.client.get("/v1/calls/c3/transcript.txt", params={"words": words})

    assert answer.status_code == status
    assert text in answer.text


async def test_a_search_names_segment_time_and_words(site: RunningApi) -> None:
    (found,) = (await listed(site, q="acme calling", role="agent"))["calls"]
    (hit,) = found["hits"]

    assert (hit["segment_id"], hit["role"], hit["start_ms"], hit["end_ms"]) == (
        "0-0",
        "agent",
        0,
        1_000,
    )
    assert [hit["excerpt"][a:b] for a, b in hit["marks"]] == ["calling", "Acme"]
    assert (await listed(site, q="nobody"))["calls"] == []


@pytest.mark.parametrize(
    "query",
    [
        "q=",
        "q=%22%22",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "status=open",
        "order=best",
        "role=boss",
        "from=yesterday",
        "to=9e99",
        "min_duration=-1",
        "language=e",
        "metadata=queue",
        "metadata=%3Dsales",
        "tag=",
        "nobody=1",
        "limit=1&limit=2",
        "keyword=a%00b",
    ],
)
async def test_a_parameter_that_cannot_be_read_is_refused_by_name(
    site: RunningApi, query: str
) -> None:
    answer = await site.client.get(f"/v1/calls?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_parameter"


async def test_times_are_seconds_or_iso_8601(site: RunningApi) -> None:
    for since in ("1700000400", "2023-11-14T22:20:00Z", "2023-11-14T23:20:00+01:00"):
        answer = await site.client.get("/v1/calls", params={"from": since})
        assert [one["call_id"] for one in answer.json()["calls"]] == ["c2"]


async def test_a_call_has_its_report(site: RunningApi) -> None:
    body = (await site.client.get("/v1/calls/c1")).json()

    assert (body["segments"], body["words"], body["engines"]) == (5, 7, ["moonshine-base-en/int8"])
    assert body["channels"][0]["transcribed_ms"] == 40_000
    assert body["keywords"]["found"] == {"Acme": 1}
    assert body["keywords"]["missing"] == ["Orvanta"]
    assert body["latency"]["engine_p50_ms"] == 340


async def test_the_report_counts_near_misses_and_suspect_keywords(
    redis: Redis, store: Store
) -> None:
    flagged = ("keyword_near:Orvanta", "keyword_suspect:Acme")
    finals = [
        replace(final("this is Acme"), flags=flagged),
        replace(final("and Orventa", number=1), flags=flagged[:1]),
    ]
    store.record(
        recorded("c3", started(), KeywordsApplied(0, ("Acme", "Orvanta"), ()), *finals, ended())
    )
    async with running_api(redis, store) as site:
        report = (await site.client.get("/v1/calls/c3/keywords")).json()

    assert (report["found"], report["missing"]) == ({"Acme": 1}, ["Orvanta"])
    assert (report["near"], report["suspect"]) == ({"Orvanta": 2}, {"Acme": 1})


async def test_the_status_of_a_call_is_that_of_its_last_stream(
    site: RunningApi, store: Store
) -> None:
    store.record([replace(one, log="x1") for one in recorded("c7", started(), ended())])
    store.record([replace(one, log="x2") for one in recorded("c7", started(1_700_000_900.0))])

    said = {
        name: (await site.client.get(f"/v1/calls/{name}/status")).json() for name in ("c1", "c7")
    }
    unknown = await site.client.get("/v1/calls/nobody/status")

    assert {name: one["status"] for name, one in said.items()} == {
        "c1": "ended",
        "c7": "live",
    }
    assert unknown.status_code == 404


async def test_every_form_of_a_transcript_holds_its_words(site: RunningApi) -> None:
    for form in FORMS:
        answer = await site.client.get(f"/v1/calls/c1/transcript.{form}")
        assert answer.status_code == 200
        said = answer.text.replace("\\", "")
        assert all(word in said for word in ("thank", "calling", "Acme", "hello", "goodbye")), form
    table = (await site.client.get("/v1/calls/c1/transcript.csv")).text
    assert len(list(csv.reader(io.StringIO(table)))) == 4


async def test_events_can_be_read_from_any_seq(site: RunningApi) -> None:
    page = (await site.client.get("/v1/calls/c1/events?from_seq=9&limit=1")).json()
    rest = (await site.client.get(f"/v1/calls/c1/events?from_seq={page['next_seq']}")).json()

    assert [one["type"] for one in page["events"]] == ["segment.final"]
    assert [one["type"] for one in rest["events"]] == ["call.ended"]
    assert (rest["status"], rest["next_seq"]) == ("ended", 11)


async def test_an_event_stream_goes_on_behind_the_last_event_id(site: RunningApi) -> None:
    headers = {"accept": "text/event-stream", "last-event-id": "8"}
    answer = await site.client.get("/v1/calls/c1/events", headers=headers)
    seen = await site.client.get("/v1/calls/c1/events", headers=headers | {"last-event-id": "10"})

    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [json.loads(line[6:])["seq"] for line in lines] == [9, 10]
    assert seen.status_code == 204


async def test_what_the_site_adds_to_a_call_is_kept_and_found(site: RunningApi) -> None:
    changed = {"agent": "ann", "notes": "call back", "tags": ["vip", "vip", "late"]}
    answer = await site.client.patch("/v1/calls/c1", json=changed)
    await site.client.patch("/v1/calls/c1", json={"notes": ""})

    assert answer.json()["tags"] == ["late", "vip"]
    body = (await site.client.get("/v1/calls/c1")).json()
    assert (body["agent"], body["notes"], body["tags"]) == ("ann", "", ["late", "vip"])
    assert [one["call_id"] for one in (await listed(site, tag="vip"))["calls"]] == ["c1"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"tags": [""]}', 422),
        (b'{"tags": "vip"}', 422),
        (b'{"mood": "good"}', 422),
        (b"[" * 100_000, 422),
        (b"x" * 1_100_000, 413),
    ],
)
async def test_a_body_that_cannot_be_read_changes_nothing(
    site: RunningApi, body: bytes, status: int
) -> None:
    before = (await site.client.get("/v1/calls/c1")).json()
    answer = await site.client.patch("/v1/calls/c1", content=body)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert (await site.client.get("/v1/calls/c1")).json() == before


async def test_a_deleted_call_is_gone_from_the_store_and_from_redis(
    site: RunningApi, redis: Redis, store: Store
) -> None:
    keys = CallKeys.of("c1", 1)
    await redis.xadd(keys.log, {"e": encode_event(CALL[0])}, id="1-0")
    await redis.hset(keys.settled, "0-0", "")
    await redis.set(keys.audio(SegmentId(0, 0)), b"audio")

    answer = await site.client.delete("/v1/calls/c1")

    assert answer.status_code == 204
    assert (await site.client.get("/v1/calls/c1")).status_code == 404
    assert (await site.client.delete("/v1/calls/c1")).status_code == 404
    assert await redis.keys("*") == []
    assert [one.line.action for one in store.audited(call_id="c1")] == ["delete"]


async def test_events_of_a_deleted_call_that_come_later_are_not_stored(
    redis: Redis, store: Store
) -> None:
    entries = [replace(one, log="a1") for one in recorded("c1", *CALL)]
    store.record(entries[:-1])
    store.delete("c1")

    store.record(entries)
    assert store.transcript("c1") is None
    store.record([replace(one, log="b2") for one in recorded("c1", started(), final("anew"))])

    found = store.transcript("c1")
    assert found is not None
    assert [one.text for one in found.segments] == ["anew"]
    store.record(entries)
    assert [one.call_id for one in store.calls()] == ["c1"]


async def test_a_call_under_legal_hold_is_not_deleted(site: RunningApi) -> None:
    await site.client.patch("/v1/calls/c1", json={"legal_hold": True})
    refused = await site.client.delete("/v1/calls/c1")
    await site.client.patch("/v1/calls/c1", json={"legal_hold": False})
    deleted = await site.client.delete("/v1/calls/c1")

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "legal_hold")
    assert deleted.status_code == 204


async def test_a_call_in_progress_is_not_deleted(site: RunningApi, redis: Redis) -> None:
    seconds, _ = await redis.time()
    await redis.zadd(CallKeys.of("c1", 1).partition.calls, {"c1": seconds})

    answer = await site.client.delete("/v1/calls/c1")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "call_in_progress")


async def test_reads_and_changes_are_in_the_audit_log(site: RunningApi, store: Store) -> None:
    await site.client.get("/v1/calls/c1")
    await site.client.get("/v1/calls/c1/transcript.txt")
    await site.client.patch("/v1/calls/c1", json={"notes": "x"})

    lines = [one.line for one in store.audited(call_id="c1")]
    assert [one.action for one in lines] == ["change", "export txt", "read"]
    assert {one.who for one in lines} == {"open"}


async def test_the_page_of_the_api_fetches_nothing_from_elsewhere(site: RunningApi) -> None:
    page = await site.client.get("/docs")
    spec = (await site.client.get("/openapi.json")).json()

    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert spec["openapi"] == "3.1.0"
    assert set(spec["paths"]["/v1/calls/{call_id}"]) == {"get", "patch", "delete"}


async def test_an_unknown_path_or_method_is_told(site: RunningApi) -> None:
    nowhere = await site.client.get("/v1/nowhere")
    method = await site.client.put("/v1/calls/c1")

    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "no_such_path")
    assert (method.status_code, method.headers["allow"]) == (405, "DELETE, GET, PATCH")
