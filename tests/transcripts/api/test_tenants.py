"""Two tenants at one API: nothing of one is seen, counted or changed by the other."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import event
from support.api import RunningApi, bearer, running_api
from support.call_records import CALL, recorded
from support.credentials import Site, site, token

from cli import keys
from protocol.auth.credentials import Scope
from transcripts.api.settings import ApiSettings
from transcripts.store import Store

NAMES = ("secret-of-acme", "c1")


@dataclass(frozen=True, slots=True)
class Shared:
    """An API with keys; calls of acme, of globex, and of no tenant."""

    running: RunningApi
    keys: Site
    admin: str
    """Admin key of globex."""


@pytest.fixture
async def shared(redis: Redis, store: Store, tmp_path: Path) -> AsyncIterator[Shared]:
    made = site(tmp_path)
    admin = keys.create(
        made.file, owner="globex", scopes=(Scope.ADMIN,), days=None, note="", now=0.0
    )
    for name in ("acme/secret-of-acme", "acme/c1", "globex/c2", "c1"):
        store.record(recorded(name, *CALL))
    async with running_api(redis, store, ApiSettings(keys_file=str(made.file))) as running:
        yield Shared(running, made, admin)


def requests_of(shared: Shared, call_id: str) -> list[tuple[str, str, bytes]]:
    """A request of every operation of the API that names a call."""
    bodies = {
        "patch": b'{"notes": "mine"}',
        "put": b'{"keywords": ["Acme"]}',
        "post": b'{"title": "mine"}',
    }
    return [
        (one.method, one.path.replace("{call_id}", call_id), bodies.get(one.method.lower(), b""))
        for one in shared.running.api.operations
        if "{call_id}" in one.path
    ]


async def test_every_operation_answers_for_a_call_of_another_as_for_none(
    shared: Shared, store: Store
) -> None:
    before = store.transcript("acme/secret-of-acme")
    asked = requests_of(shared, "secret-of-acme")
    for method, path, body in asked:
        answers = []
        for target in (path, path.replace("secret-of-acme", "nothing-at-all")):
            headers = bearer(shared.admin) | {"accept": "application/json"}
            answer = await shared.running.client.request(
                method, target, content=body, headers=headers
            )
            answers.append((answer.status_code, answer.text))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert len(asked) >= 15
    assert store.transcript("acme/secret-of-acme") == before


async def test_a_call_of_another_costs_the_same_work_as_none(
    shared: Shared, store: Store, redis: Redis
) -> None:
    """The same statements and the same commands: no difference in time but noise."""
    statements: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *said: statements.append(said[2]))

    async def work(method: str, path: str, body: bytes) -> tuple[list[str], dict[str, int]]:
        statements.clear()
        before = await commands(redis)
        headers = bearer(shared.admin) | {"accept": "application/json"}
        await shared.running.client.request(method, path, content=body, headers=headers)
        return list(statements), dict(await commands(redis) - before)

    for method, path, body in requests_of(shared, "secret-of-acme"):
        await work(method, path, body)  # scripts and schemas are loaded once
        unknown = path.replace("secret-of-acme", "nothing-at-all")
        for _ in range(5):  # the API's own regular work may fall into one of the two, not always
            of_another, of_none = await work(method, path, body), await work(method, unknown, body)
            if of_another == of_none:
                break
        assert of_another == of_none, path


async def commands(redis: Redis) -> Counter[str]:
    """How often the server has run each command, beside those of this question."""
    found = await redis.info("commandstats")
    return Counter({name: one["calls"] for name, one in found.items() if name != "cmdstat_info"})


async def test_lists_and_searches_hold_the_calls_of_the_tenant_only(shared: Shared) -> None:
    for key, names in ((shared.keys.acme, {"secret-of-acme", "c1"}), (shared.keys.globex, {"c2"})):
        for query in ("", "?q=acme", "?keyword=acme", "?order=longest", "?q=hello&role=customer"):
            answer = await shared.running.client.get(f"/v1/calls{query}", headers=bearer(key))
            assert {one["call_id"] for one in answer.json()["calls"]} == names, query
            assert "acme/" not in answer.text
            assert "globex/" not in answer.text


async def test_a_cursor_of_another_tenant_shows_nothing_of_it(shared: Shared) -> None:
    page = await shared.running.client.get("/v1/calls?limit=1", headers=bearer(shared.keys.acme))
    cursor = page.json()["next_cursor"]

    for query in ("order=newest", "order=oldest", "q=hello"):
        answer = await shared.running.client.get(
            f"/v1/calls?cursor={cursor}&{query}", headers=bearer(shared.keys.globex)
        )
        assert {one["call_id"] for one in answer.json()["calls"]} <= {"c2"}


async def test_no_operation_answers_without_a_key(shared: Shared) -> None:
    asked = [*requests_of(shared, "c1"), ("GET", "/v1/calls", b"")]
    answers = await asyncio.gather(
        *(
            shared.running.client.request(method, path, content=body, headers=headers)
            for method, path, body in asked
            for headers in ({}, bearer("tk_wrong"), bearer(shared.keys.revoked))
        )
    )

    assert {answer.status_code for answer in answers} == {401}
    told = [answer for answer in answers if answer.request.method != "HEAD"]  # which has no body
    assert {json.loads(answer.text)["error"]["code"] for answer in told} == {"unauthorized"}


async def test_every_operation_takes_its_scope(shared: Shared) -> None:
    for one in shared.running.api.operations:
        path = one.path.replace("{call_id}", "c1")
        assert one.scope is not None
        lacking = {
            Scope.READ: shared.keys.acme_bridge,
            Scope.INGEST: shared.keys.acme_reader,
            Scope.ADMIN: shared.keys.acme,
        }[one.scope]
        answer = await shared.running.client.request(one.method, path, headers=bearer(lacking))
        assert answer.status_code == 403, path


async def test_a_token_for_one_call_sees_this_call_only(shared: Shared) -> None:
    headers = bearer(token(call="c1", tenant="acme"))
    client = shared.running.client

    listed = await client.get("/v1/calls", headers=headers)
    other = await client.get("/v1/calls/secret-of-acme", headers=headers)
    own = await client.get("/v1/calls/c1", headers=headers)

    assert [one["call_id"] for one in listed.json()["calls"]] == ["c1"]
    assert (other.status_code, own.status_code) == (403, 200)


async def test_pages_of_other_servers_are_refused(shared: Shared) -> None:
    headers = bearer(shared.keys.acme) | {"origin": "https://evil.example"}

    answer = await shared.running.client.get("/v1/calls", headers=headers)

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_a_stranger_host_is_refused_where_there_are_no_keys(
    redis: Redis, store: Store
) -> None:
    async with running_api(redis, store) as running:
        answer = await running.client.get("/v1/calls", headers={"host": "evil.example"})

    assert answer.status_code == 403


async def test_event_streams_are_limited_by_key_and_by_tenant(
    redis: Redis, store: Store, tmp_path: Path
) -> None:
    made = site(tmp_path)
    settings = ApiSettings(keys_file=str(made.file), listeners_per_key=1, max_listeners=4)
    async with running_api(redis, store, settings) as running, AsyncExitStack() as streams:

        async def listen(key: str) -> int:
            asked = running.client.stream(
                "GET",
                "/v1/calls/later/events",
                headers=bearer(key) | {"accept": "text/event-stream"},
            )
            return (await streams.enter_async_context(asked)).status_code

        of_acme = [await listen(made.acme), await listen(made.acme), await listen(made.acme_reader)]
        full = await listen(token(tenant="acme"))
        other = await listen(made.globex)

    assert of_acme == [200, 429, 200]
    assert (full, other) == (429, 200)
