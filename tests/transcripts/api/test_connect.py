"""Addresses of the gateway, and keys made by the API."""

from pathlib import Path

from redis.asyncio import Redis
from support.api import bearer, running_api
from support.credentials import site

from broker.credentials.key_changes import read_keys
from cli import keys
from protocol.auth.credentials import Scope
from transcripts.api.settings import ApiSettings
from transcripts.store import Store


async def test_an_administrator_makes_a_key_that_sends_calls_of_the_tenant_only(
    redis: Redis, store: Store, tmp_path: Path
) -> None:
    made = site(tmp_path)
    admin = keys.create(
        made.file, owner="globex", scopes=(Scope.ADMIN,), days=None, note="", now=0.0
    )
    settings = ApiSettings(keys_file=str(made.file), gateway_url="wss://calls.example.com")
    async with running_api(redis, store, settings) as api:
        answer = await api.client.post(
            "/v1/keys", headers=bearer(admin), json={"note": "Asterisk", "seconds": 3_600}
        )
        refused = await api.client.post("/v1/keys", headers=bearer(made.globex), json={})
        shown = (await api.client.get("/v1/connect", headers=bearer(admin))).json()
        reader = (await api.client.get("/v1/connect", headers=bearer(made.acme))).json()

    key = read_keys(made.file).keys[-1]
    assert answer.status_code == 201
    assert answer.json()["key"].split("_")[1] == key.id
    assert (key.tenant, key.scopes, key.note) == ("globex", (Scope.INGEST,), "Asterisk")
    assert key.expires is not None
    assert refused.status_code == 403
    assert (shown["gateway_url"], shown["can_make_keys"]) == ("wss://calls.example.com", True)
    assert (reader["can_make_keys"], reader["needs_key"]) == (False, True)


async def test_without_keys_there_is_none_to_make(redis: Redis, store: Store) -> None:
    async with running_api(redis, store) as api:
        answer = await api.client.post("/v1/keys", json={})
        shown = (await api.client.get("/v1/connect")).json()

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_keys")
    assert shown["needs_key"] is False
