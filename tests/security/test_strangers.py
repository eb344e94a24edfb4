"""
A request without a valid key is refused everywhere, and no key gives access to the calls of another tenant.

Real sockets. Every credential of tests/support/credentials.py is tried in every place where a credential may be,
on the paths of bridges and of a listener.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.credentials import PUBLIC_URL, Site, bearer, forged_keys, forged_tokens, site, token
from support.pipeline import gateway
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from protocol.dialects import registry
from streaming.settings import GatewaySettings

_AT_A_TIME = 40
_EVENTS = "/v1/calls/c-1/events"
_PATHS = (*registry.paths(), _EVENTS)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One handshake."""

    about: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    offers: tuple[str, ...] = ()


@pytest.fixture
def keyed(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.fixture
async def url(redis: Redis, keyed: Site) -> AsyncIterator[str]:
    settings = GatewaySettings(keys_file=str(keyed.file), public_url=PUBLIC_URL, drain_seconds=0)
    async with gateway(redis, settings) as address:
        yield address


async def answer(url: str, attempt: Attempt) -> tuple[int, bytes]:
    """Status and text of the refusal; 101 when it was let in."""
    try:
        async with connect(
            url + attempt.path,
            additional_headers=attempt.headers,
            subprotocols=list(attempt.offers) or None,  # type: ignore[arg-type]
            compression=None,
            open_timeout=PATIENCE,
        ):
            return 101, b""
    except InvalidStatus as refused:
        return refused.response.status_code, bytes(refused.response.body or b"")


async def answers(url: str, attempts: list[Attempt]) -> list[tuple[int, bytes]]:
    heard: list[tuple[int, bytes]] = []
    for first in range(0, len(attempts), _AT_A_TIME):
        some = attempts[first : first + _AT_A_TIME]
        heard += await asyncio.gather(*(answer(url, one) for one in some))
    return heard


def everywhere(text: str, about: str, path: str) -> list[Attempt]:
    """A credential at each place where one may stand."""
    basic = base64.b64encode(f"user:{text}".encode()).decode()
    return [
        Attempt(f"{about}: bearer", path, bearer(text)),
        Attempt(f"{about}: token", path, {"Authorization": f"Token {text}"}),
        Attempt(f"{about}: basic", path, {"Authorization": f"Basic {basic}"}),
        Attempt(f"{about}: bare", path, {"Authorization": text}),
        Attempt(f"{about}: api key", path, {"X-API-Key": text}),
    ]


def strange(keyed: Site) -> list[Attempt]:
    """Several hundred ways of having no key."""
    forged = forged_tokens()
    attempts = [Attempt("nothing", path) for path in _PATHS]
    for about, text in (forged_keys(keyed) | forged).items():
        if len(text) < 4_000:  # longer lines are refused before they are read
            attempts += everywhere(text, about, "/v1/listen") + everywhere(text, about, _EVENTS)
    for path in _PATHS:
        attempts += [
            Attempt(f"key in the URL of {path}", f"{path}?token={keyed.acme}"),
            Attempt(f"two keys at {path}", path, bearer(keyed.acme) | {"X-API-Key": keyed.globex}),
            Attempt(f"key and token at {path}", f"{path}?token={token()}", bearer(keyed.acme)),
            Attempt(f"two tokens at {path}", f"{path}?token={token()}&token={token()}"),
            Attempt(f"unsigned at {path}", path, {"X-Twilio-Signature": "AAAA"}),
            Attempt(f"signature of nothing at {path}", path, {"Signature": "sig1=:AAAA:"}),
            Attempt(f"Twilio's name at {path}", path, {"X-Forwarded-For": "127.0.0.1"}),
        ]
    attempts += [
        Attempt(f"{about}: in the URL", f"/v3/ws?token={text}")
        for about, text in forged.items()
        if len(text) < 4_000
    ]
    return attempts


async def test_requests_without_a_valid_key_are_refused_with_the_same_answer(
    url: str, keyed: Site
) -> None:
    attempts = strange(keyed)

    heard = await answers(url, attempts)

    assert len(attempts) >= 300
    assert [
        one.about for one, (status, _) in zip(attempts, heard, strict=True) if status != 401
    ] == []
    assert len({text for _, text in heard}) == 1


async def test_each_place_where_a_key_may_stand_opens_a_bridge(url: str, keyed: Site) -> None:
    welcome = [
        *everywhere(keyed.acme, "key", "/v1/listen"),
        *everywhere(token(), "token", "/v1/listen"),
        Attempt("Deepgram's browser", "/v1/listen", offers=("token", keyed.acme)),
        Attempt("OpenAI's browser", "/v1/realtime", offers=(
            "realtime", f"openai-insecure-api-key.{keyed.acme}")),
        Attempt("AssemblyAI's browser", f"/v3/ws?token={token()}"),
        Attempt("listener", _EVENTS, bearer(keyed.acme_reader)),
        Attempt("a slash at the end", "/v1/listen/", bearer(keyed.acme)),
    ]  # fmt: skip

    heard = await answers(url, welcome)

    assert [
        one.about for one, (status, _) in zip(welcome, heard, strict=True) if status != 101
    ] == []


async def test_a_key_does_only_what_it_is_for(url: str, keyed: Site) -> None:
    attempts = [
        *(Attempt("reader", path, bearer(keyed.acme_reader)) for path in registry.paths()),
        *(Attempt("token", path, bearer(token(scope="read"))) for path in registry.paths()),
        Attempt("bridge", _EVENTS, bearer(keyed.acme_bridge)),
        Attempt("token of a bridge", _EVENTS, bearer(token(scope="ingest"))),
        Attempt("token of another call", _EVENTS, bearer(token(call="c-2"))),
    ]

    heard = await answers(url, attempts)

    assert {status for status, _ in heard} == {403}
    assert len({text for _, text in heard}) == 1
