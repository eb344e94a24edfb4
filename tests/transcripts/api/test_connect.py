"""Addresses of the gateway, and keys made by the API."""

import time
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from support.api import bearer, running_api
from support.credentials import site
from support.pipeline import gateway
from support.waiting import until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from broker.credentials.key_changes import change_keys, read_keys
from cli import keys
from protocol.auth.credentials import Keyring, Scope
from streaming.settings import GatewaySettings
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


async def test_administrators_of_the_site_see_which_connections_were_refused(
    redis: Redis, store: Store, tmp_path: Path
) -> None:
    made = site(tmp_path)
    site_admin, acme_admin = (
        keys.create(made.file, owner=owner, scopes=(Scope.ADMIN,), days=None, note="", now=0.0)
        for owner in ("", "acme")
    )
    settings = GatewaySettings(keys_file=str(made.file), vad="webrtc")
    async with (
        gateway(redis, settings) as url,
        running_api(redis, store, ApiSettings(keys_file=str(made.file))) as api,
    ):

        async def refused(key: str) -> list[dict[str, object]]:
            answer = await api.client.get("/v1/connect", headers=bearer(key))
            return list(answer.json()["refused"])

        for path in ("/v1/calls?token=secret", "/nowhere"):
            with pytest.raises(InvalidStatus):
                await connect(url + path)

        async def both() -> list[dict[str, object]]:
            seen = await refused(site_admin)
            return seen if len(seen) >= 2 else []

        seen = await until(both)
        hidden = await refused(acme_admin), await refused(made.acme)

    assert [(one["path"], one["reason"]) for one in seen] == [
        ("/nowhere", "no_such_path"),
        ("/v1/calls", "unauthorized"),
    ]
    assert hidden == ([], [])


async def test_expired_keys_leave_the_file_and_a_tenant_has_a_bounded_number(
    redis: Redis, store: Store, tmp_path: Path
) -> None:
    made = site(tmp_path)
    admin = keys.create(
        made.file, owner="globex", scopes=(Scope.ADMIN,), days=None, note="", now=0.0
    )
    keys.create(made.file, owner="globex", scopes=(Scope.INGEST,), days=1, note="old", now=0.0)
    one = read_keys(made.file).keys[0]
    many = [
        msgspec.structs.replace(one, id=f"many{number:06d}", tenant="globex")
        for number in range(990)
    ]
    change_keys(made.file, lambda keyring: Keyring((*keyring.keys, *many), keyring.signers))

    async with running_api(redis, store, ApiSettings(keys_file=str(made.file))) as api:
        answers = [
            await api.client.post("/v1/keys", headers=bearer(admin), json={"seconds": 60})
            for _ in range(12)
        ]
    found = read_keys(made.file).keys

    codes = [one.status_code for one in answers]
    assert 201 in codes
    assert answers[-1].json()["error"]["code"] == "too_many_keys"
    assert not [key for key in found if key.note == "old"]
    assert sum(key.tenant == "globex" and key.is_good(time.time()) for key in found) == 1_000


async def test_a_key_that_has_just_expired_is_still_listed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    for days, now in ((1.0, 0.0), (None, 20 * 86_400.0), (None, 32 * 86_400.0)):
        keys.create(file, owner="", scopes=(Scope.READ,), days=days, note=str(now), now=now)
        shown = [key.note for key in read_keys(file).keys]
        assert ("0.0" in shown) is (now < 31 * 86_400)
