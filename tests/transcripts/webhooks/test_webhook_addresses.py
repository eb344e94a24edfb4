"""
No webhook reaches an address that is not permitted, by any trick.

127.0.0.2 stands for a public address: the site has listed it.  Servers on 127.0.0.1 and ::1, at the same port, are
the private ones, and must get nothing.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from support.api import running_api
from support.waiting import until
from support.webhooks import Hook, hook, sending

from protocol.outgoing.destinations import destinations_in
from transcripts.api.settings import ApiSettings
from transcripts.store import Store
from transcripts.webhooks.endpoint import WebhookDelivery

PUBLIC = "127.0.0.2"
SITE = destinations_in(PUBLIC)

TRICKS = {
    "loopback": "http://127.0.0.1:{port}/",
    "https to loopback": "https://127.0.0.1:{port}/",
    "short": "http://127.1:{port}/",
    "decimal": "http://2130706433:{port}/",
    "octal": "http://0177.0.0.01:{port}/",
    "hexadecimal": "http://0x7f.0.0.1:{port}/",
    "IPv6 loopback": "http://[::1]:{port}/",
    "IPv4-mapped IPv6": "http://[::ffff:127.0.0.1]:{port}/",
    "IPv4-mapped in hexadecimal": "http://[::ffff:7f00:1]:{port}/",
    "IPv4-compatible IPv6": "http://[::127.0.0.1]:{port}/",
    "NAT64": "http://[64:ff9b::7f00:1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "this host": "http://0.0.0.0:{port}/",
    "this host in IPv6": "http://[::]:{port}/",
    "this host in short": "http://0:{port}/",
    "link-local": "http://169.254.169.254:{port}/latest/meta-data/",
    "localhost": "http://localhost:{port}/",
    "localhost with a dot": "http://localhost.:{port}/",
    "capital letters": "http://LOCALHOST:{port}/",
    "a permitted address as the user": "http://127.0.0.2@127.0.0.1:{port}/",
    "a permitted address as the password": "http://a:127.0.0.2@127.0.0.1:{port}/",
    "a fragment": "http://127.0.0.1:{port}/#@127.0.0.2/",
    "a backslash": "http://127.0.0.1:{port}\\@127.0.0.2/",
    "full-width digits": "http://127.0.0.1:{port}/",
    "a name with a private address": "http://private.example:{port}/",
    "a name with both": "http://both.example:{port}/",
    "another scheme": "gopher://127.0.0.1:{port}/",
    "a file": "file:///etc/passwd",
}

NAMES = {
    "private.example": [["127.0.0.1"]],
    "both.example": [["::1", "127.0.0.1"]],
    "rebinding.example": [[PUBLIC], ["127.0.0.1"]],
}
"""What a name server answers: the addresses, at the first question, at the second and so on in turn."""


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A name server of an attacker.  Yields the names that it was asked for."""
    asked: list[str] = []
    system = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **named: Any) -> Any:
        if host not in NAMES:
            return system(host, port, *args, **named)
        answers = NAMES[host]
        asked.append(host)
        addresses = answers[(asked.count(host) - 1) % len(answers)]
        return [found for one in addresses for found in system(one, port, *args, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    yield asked


async def servers(opened: AsyncExitStack) -> tuple[Hook, list[Hook]]:
    """The server that is permitted, and those that are not, at one port."""
    while True:
        async with AsyncExitStack() as made:
            permitted = await made.enter_async_context(hook(host=PUBLIC))
            port = permitted.port
            with contextlib.suppress(OSError):  # another program has this port of 127.0.0.1
                private = [await made.enter_async_context(hook(host="127.0.0.1", port=port))]
                with contextlib.suppress(OSError):  # no IPv6 here
                    private.append(await made.enter_async_context(hook(host="::1", port=port)))
                opened.push_async_callback(made.pop_all().aclose)
                return permitted, private


@pytest.mark.usefixtures("questions")
async def test_no_trick_reaches_a_private_address(redis: Redis, store: Store) -> None:
    settings = ApiSettings(webhook_networks=PUBLIC)
    refused, failed = set[str](), set[str]()
    async with AsyncExitStack() as opened:
        permitted, private = await servers(opened)
        api = (await opened.enter_async_context(running_api(redis, store, settings))).client
        await opened.enter_async_context(sending(store, SITE))
        for trick, url in TRICKS.items():
            body = {"url": url.format(port=permitted.port), "events": ["call.started"]}
            answer = await api.post("/v1/webhooks", json=body)
            if answer.status_code == 422:
                refused.add(trick)
                continue
            path = f"/v1/webhooks/{answer.json()['webhook_id']}"
            await api.post(f"{path}/test")
            if await attempted(api, path) == "":
                continue  # it was sent
            failed.add(trick)
            await api.delete(path)
        body = {"url": f"http://{PUBLIC}:{permitted.port}/", "events": ["call.started"]}
        path = f"/v1/webhooks/{(await api.post('/v1/webhooks', json=body)).json()['webhook_id']}"
        await api.post(f"{path}/test")
        await permitted.until(lambda it: len(it.bodies) == 1)

    assert refused | failed == set(TRICKS)
    assert {"loopback", "NAT64", "a permitted address as the user", "a fragment"} <= refused
    assert {"decimal", "octal", "localhost with a dot", "a name with both"} <= failed
    assert [one.bodies for one in private] == [[]] * len(private)


async def attempted(api: Any, path: str) -> str:
    """Wait for the first attempt.  Returns why it failed, or an empty text."""
    found = await until(lambda: latest(api, path, 1))
    error: str = found["error"]
    return error


async def test_a_name_that_resolves_to_another_address_the_second_time_gains_nothing(
    redis: Redis, store: Store, questions: list[str]
) -> None:
    async with AsyncExitStack() as opened:
        permitted, private = await servers(opened)
        settings = ApiSettings(webhook_networks=PUBLIC)
        api = (await opened.enter_async_context(running_api(redis, store, settings))).client
        await opened.enter_async_context(sending(store, SITE))
        body = {"url": f"http://rebinding.example:{permitted.port}/", "events": ["call.started"]}
        path = f"/v1/webhooks/{(await api.post('/v1/webhooks', json=body)).json()['webhook_id']}"
        errors = []
        for number in range(4):
            await api.post(f"{path}/test")
            found = await until(partial(latest, api, path, number + 1))
            errors.append(found["error"])
            await api.patch(path, json={"enabled": True})  # it is not paused after failures

    assert len(questions) == 4  # once for each attempt: what was checked is what was used
    assert [bool(one) for one in errors] == [False, True, False, True]
    assert len(permitted.bodies) == 2
    assert [one.bodies for one in private] == [[]] * len(private)


async def latest(api: Any, path: str, number: int) -> dict[str, Any] | None:
    """Return the latest of `number` deliveries, if it was attempted."""
    found: list[dict[str, Any]] = (await api.get(f"{path}/deliveries")).json()["deliveries"]
    return found[0] if len(found) == number and found[0]["attempts"] else None


async def test_a_redirect_to_a_private_address_is_not_followed(store: Store) -> None:
    async with AsyncExitStack() as opened:
        target = await opened.enter_async_context(hook(host="127.0.0.1"))
        place = f"302 Found\r\nlocation: http://127.0.0.1:{target.port}/"
        permitted = await opened.enter_async_context(hook(lambda _: place, host=PUBLIC))
        endpoint = store.webhooks.add("", f"http://{PUBLIC}:{permitted.port}/", [])
        store.webhooks.test("", endpoint.webhook_id)
        await opened.enter_async_context(sending(store, SITE))

        def attempt() -> WebhookDelivery | None:
            found = store.webhooks.deliveries("", endpoint.webhook_id)
            return found.deliveries[0] if found and found.deliveries[0].attempts else None

        tried = await until(lambda: asyncio.to_thread(attempt))

    assert tried.error == "the answer has the status 302"
    assert target.bodies == []
