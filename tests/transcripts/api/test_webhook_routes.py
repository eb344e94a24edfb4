"""Webhooks by API: endpoints and their secrets, deliveries, tenants and scopes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from support.api import bearer, running_api
from support.call_records import CALL, recorded
from support.credentials import Site, site
from support.waiting import until
from support.webhooks import data_of, hook, read, sending

from cli import keys
from protocol.auth.credentials import Scope
from transcripts.api.settings import ApiSettings
from transcripts.store import Store

EVENTS = ["call.started", "call.ended", "keyword.heard"]


@dataclass(frozen=True, slots=True)
class Shared:
    """An API with keys of two tenants."""

    client: AsyncClient
    site: Site
    acme: dict[str, str]
    globex: dict[str, str]
    """Headers of administrators."""


@pytest.fixture
async def shared(redis: Redis, store: Store, tmp_path: Path) -> AsyncIterator[Shared]:
    made = site(tmp_path)
    admins = [
        bearer(
            keys.create(made.file, owner=owner, scopes=(Scope.ADMIN,), days=None, note="", now=0)
        )
        for owner in ("acme", "globex")
    ]
    settings = ApiSettings(keys_file=str(made.file), webhook_networks="127.0.0.0/8")
    async with running_api(redis, store, settings) as running:
        yield Shared(running.client, made, *admins)


async def made(shared: Shared, url: str = "https://example.com/hook") -> dict[str, Any]:
    body = {"url": url, "events": EVENTS, "description": "CRM"}
    answer = await shared.client.post("/v1/webhooks", json=body, headers=shared.acme)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_secret_is_shown_once(shared: Shared) -> None:
    created = await made(shared)
    path = f"/v1/webhooks/{created['webhook_id']}"
    new = await shared.client.post(f"{path}/secret", json={}, headers=shared.acme)
    answers = [
        await shared.client.get("/v1/webhooks", headers=shared.acme),
        await shared.client.get(path, headers=shared.acme),
        await shared.client.patch(path, json={"description": "x"}, headers=shared.acme),
    ]

    assert created["secret"].startswith("whsec_")
    assert new.json()["secret"].startswith("whsec_")
    assert new.json()["secret"] != created["secret"]
    assert all(one.status_code == 200 and "whsec_" not in one.text for one in answers)


async def test_a_webhook_is_changed_and_deleted(shared: Shared) -> None:
    path = f"/v1/webhooks/{(await made(shared))['webhook_id']}"
    change = {"url": "https://example.com/other", "events": ["call.stored"], "enabled": False}
    changed = (await shared.client.patch(path, json=change, headers=shared.acme)).json()
    gone = await shared.client.delete(path, headers=shared.acme)
    after = await shared.client.get(path, headers=shared.acme)

    assert {name: changed[name] for name in change} == change
    assert changed["description"] == "CRM"
    assert (gone.status_code, after.status_code) == (204, 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "https://example.com/", "events": []}, 422),
        ({"url": "https://example.com/", "events": ["call.nonsense"]}, 422),
        ({"url": "https://example.com/", "events": ["webhook.test"]}, 422),
        (
            {"url": "http://example.com/", "events": EVENTS},
            201,
        ),  # refused once the name is resolved
        ({"url": "https://10.0.0.1/", "events": EVENTS}, 422),
        ({"url": "ftp://example.com/", "events": EVENTS}, 422),
        ({"events": EVENTS}, 422),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    shared: Shared, body: dict[str, Any], status: int
) -> None:
    answer = await shared.client.post("/v1/webhooks", json=body, headers=shared.acme)

    assert answer.status_code == status


async def test_deliveries_are_listed_by_state_and_sent_again(shared: Shared, store: Store) -> None:
    async with hook(lambda number: "410 Gone" if number == 0 else "200 OK") as receiver:
        created = await made(shared, receiver.url)
        path = f"/v1/webhooks/{created['webhook_id']}"
        tested = await shared.client.post(f"{path}/test", headers=shared.acme)
        async with sending(store):
            await receiver.until(lambda it: len(it.bodies) == 1)
            dead = await one_in(shared, path, "dead")
            disabled = (await shared.client.get(path, headers=shared.acme)).json()
            await shared.client.patch(path, json={"enabled": True}, headers=shared.acme)
            again = f"{path}/deliveries/{dead['delivery_id']}/redeliver"
            answer = await shared.client.post(again, headers=shared.acme)
            await receiver.until(lambda it: len(it.bodies) == 2)
            delivered = await one_in(shared, path, "delivered")

    assert tested.status_code == answer.status_code == 202
    assert (dead["event"], dead["status"], dead["call_id"]) == ("webhook.test", 410, None)
    assert disabled["disabled_reason"] == "the receiver answered 410 Gone"
    assert delivered["delivery_id"] == dead["delivery_id"]
    assert receiver.ids == {dead["delivery_id"]}
    assert read(receiver.bodies[1])["type"] == "webhook.test"
    receiver.verified(created["secret"])


async def one_in(shared: Shared, path: str, state: str) -> dict[str, Any]:
    async def found() -> list[dict[str, Any]]:
        answer = await shared.client.get(f"{path}/deliveries?state={state}", headers=shared.acme)
        return list(answer.json()["deliveries"])

    return (await until(found))[0]


async def test_a_list_of_deliveries_has_pages(shared: Shared, store: Store) -> None:
    path = f"/v1/webhooks/{(await made(shared))['webhook_id']}/deliveries"
    for number in range(3):
        store.record(recorded(f"acme/c{number}", *CALL))
    calls, cursor = [], ""
    while True:
        answer = await shared.client.get(f"{path}?limit=4{cursor}", headers=shared.acme)
        page = answer.json()
        calls += [(one["call_id"], one["event"]) for one in page["deliveries"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(calls) == len(set(calls)) == 9
    assert [call for call, _ in calls] == ["c2"] * 3 + ["c1"] * 3 + ["c0"] * 3


async def test_webhooks_take_an_administrator(shared: Shared) -> None:
    for method, path in (("GET", "/v1/webhooks"), ("POST", "/v1/webhooks")):
        answer = await shared.client.request(method, path, headers=bearer(shared.site.acme))
        assert answer.status_code == 403
        assert (await shared.client.request(method, path)).status_code == 401


async def test_a_webhook_of_another_tenant_is_as_unknown_as_none(
    shared: Shared, store: Store
) -> None:
    created = await made(shared)
    store.record(recorded("acme/c1", *CALL))
    path = f"/v1/webhooks/{created['webhook_id']}"
    listed = await shared.client.get(f"{path}/deliveries", headers=shared.acme)
    delivery_id = listed.json()["deliveries"][0]["delivery_id"]
    requests = [
        ("GET", "", None),
        ("PATCH", "", {"enabled": False}),
        ("POST", "/secret", {}),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("POST", f"/deliveries/{delivery_id}/redeliver", None),
        ("DELETE", "", None),
    ]
    for method, rest, body in requests:
        answers = [
            await shared.client.request(method, f"{base}{rest}", json=body, headers=shared.globex)
            for base in (path, "/v1/webhooks/wh_none")
        ]
        assert answers[0].status_code == 404
        assert answers[0].text == answers[1].text
    mine = (await shared.client.get("/v1/webhooks", headers=shared.globex)).json()
    after = (await shared.client.get(path, headers=shared.acme)).json()

    assert mine == {"webhooks": []}
    assert (after["enabled"], after["waiting"]) == (True, 3)


async def test_events_of_one_tenant_never_reach_another(shared: Shared, store: Store) -> None:
    async with hook() as receiver, sending(store):
        created = await made(shared, receiver.url)
        store.record(recorded("globex/theirs", *CALL))
        store.record(recorded("acme/mine", *CALL))
        await receiver.until(lambda it: len(it.bodies) == 3)

    bodies = receiver.verified(created["secret"])
    assert {one["data"]["call_id"] for one in bodies} == {"mine"}
    assert data_of(bodies, "keyword.heard")[0]["keywords"] == ["Acme"]
