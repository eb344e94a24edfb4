"""Sessions of browsers and tokens of embedded pages: what they permit, and when they end."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.api import RunningApi, bearer, running_api
from support.call_records import CALL, recorded
from support.credentials import Site, site, token
from support.http_client import http_client
from support.valkey import ValkeyServer

from broker.redis_keys import PAGE_SECRET
from protocol.auth.credentials import Permit, Scope
from protocol.auth.sealed_permits import Use, seal, unseal
from transcripts.api.page_credentials import SESSION_COOKIE
from transcripts.api.settings import ApiSettings
from transcripts.store import Store

SECRETS = (b"a" * 32, b"b" * 32)
PERMIT = Permit("key:4f6a9b2c1d", "acme", frozenset({Scope.READ}), "c1")


@dataclass(frozen=True, slots=True)
class Guarded:
    """An API with keys, over a store with the call acme/c1."""

    running: RunningApi
    keys: Site


@pytest.fixture
async def guarded(redis: Redis, store: Store, tmp_path: Path) -> AsyncIterator[Guarded]:
    made = site(tmp_path)
    store.record(recorded("acme/c1", *CALL))
    settings = ApiSettings(keys_file=str(made.file), public_url="wss://calls.example.com")
    async with running_api(redis, store, settings) as running:
        yield Guarded(running, made)


async def _logged_in(guarded: Guarded) -> dict[str, str]:
    """Return the header with the session cookie of a reader of acme."""
    answer = await guarded.running.client.post(
        "/v1/session", headers=bearer(guarded.keys.acme_reader)
    )
    guarded.running.client.cookies.clear()
    assert answer.status_code == 200
    said = answer.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(said.split("; "))
    return {"cookie": said.partition(";")[0]}


async def test_a_session_permits_what_its_key_permits(guarded: Guarded) -> None:
    cookie, client = await _logged_in(guarded), guarded.running.client

    who = await client.get("/v1/session", headers=cookie)
    call = await client.get("/v1/calls/c1", headers=cookie)
    change = await client.patch("/v1/calls/c1", json={"notes": "x"}, headers=cookie)

    assert (who.json()["tenant"], who.json()["scopes"]) == ("acme", ["read"])
    assert SESSION_COOKIE in who.headers["set-cookie"]
    assert (call.status_code, change.status_code) == (200, 403)


async def test_a_session_ends_with_its_key(guarded: Guarded, redis: Redis) -> None:
    secret = await redis.get(PAGE_SECRET)
    assert isinstance(secret, bytes)
    revoked = Permit(f"key:{guarded.keys.revoked.split('_')[1]}", "acme")
    sealed = seal([secret], Use.SESSION, revoked, 9e9)
    headers = {"cookie": f"{SESSION_COOKIE}={sealed}"}

    assert (await guarded.running.client.get("/v1/calls", headers=headers)).status_code == 401


async def test_a_session_is_no_token_and_a_token_no_session(guarded: Guarded) -> None:
    cookie, client = await _logged_in(guarded), guarded.running.client
    session = cookie["cookie"].partition("=")[2].strip('"')
    issued = await client.post(
        "/v1/calls/c1/embed-tokens", json={"seconds": 60}, headers=bearer(guarded.keys.acme_reader)
    )
    embed = issued.json()["token"]

    as_token = await client.get("/v1/calls/c1", headers=bearer(session))
    as_cookie = await client.get("/v1/calls/c1", headers={"cookie": f"{SESSION_COOKIE}={embed}"})

    assert (await client.get("/v1/calls/c1", headers=bearer(embed))).status_code == 200
    assert (await client.post("/v1/session", headers=bearer(embed))).status_code == 403
    assert (as_token.status_code, as_cookie.status_code) == (401, 401)


async def test_a_session_is_opened_with_a_key_only(guarded: Guarded) -> None:
    answers = [
        (await guarded.running.client.post("/v1/session", headers=bearer(shown))).status_code
        for shown in (token(), guarded.keys.expired, "nothing")
    ]

    assert answers == [403, 401, 401]


async def test_a_page_of_another_site_cannot_use_the_session(guarded: Guarded) -> None:
    cookie = await _logged_in(guarded)

    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await guarded.running.client.get("/v1/calls", headers=cookie | headers)
        assert answer.status_code == 403


async def test_two_processes_and_a_redis_that_lost_its_data_agree_on_the_secret(
    guarded: Guarded, redis: Redis, store: Store, valkey: ValkeyServer
) -> None:
    cookie = await _logged_in(guarded)
    settings = ApiSettings(keys_file=str(guarded.keys.file))
    async with running_api(redis, store, settings) as other:
        assert (await other.client.get("/v1/calls/c1", headers=cookie)).status_code == 200
    valkey.kill()
    valkey.start()
    async with http_client(base_url=guarded.running.url) as client:
        assert (await client.get("/v1/calls/c1", headers=cookie)).status_code == 200


def test_a_sealed_permit_is_opened_for_its_use_until_it_expires() -> None:
    sealed = seal(SECRETS, Use.EMBED, PERMIT, expires=100.0)

    assert unseal(SECRETS, Use.EMBED, sealed, now=99.0) == PERMIT
    assert unseal(SECRETS[::-1], Use.EMBED, sealed, now=99.0) == PERMIT
    assert unseal(SECRETS, Use.EMBED, sealed, now=100.0) is None
    assert unseal(SECRETS, Use.SESSION, sealed, now=99.0) is None
    assert unseal(SECRETS[1:], Use.EMBED, sealed, now=99.0) is None


@pytest.mark.parametrize("text", ["", "x", "gAAAAA", "é", "A" * 5_000, "tk_x_y"])
def test_a_text_that_was_not_sealed_here_is_no_permit(text: str) -> None:
    assert unseal(SECRETS, Use.SESSION, text, now=0.0) is None
