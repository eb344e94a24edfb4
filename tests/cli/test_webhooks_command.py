"""The command `webhooks`, at an API."""

import asyncio

import pytest
from redis.asyncio import Redis
from support.api import RunningApi, running_api
from support.waiting import until
from support.webhooks import hook, sending

from transcripts.api.settings import ApiSettings
from transcripts.store import Store
from trunkline import main


async def ask(api: RunningApi, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Run `trunkline webhooks` and return the lines that it prints."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, ["webhooks", *words, "--url", api.url])
    assert not status
    return capsys.readouterr().out.splitlines()


async def test_a_webhook_is_added_tried_listed_sent_again_and_deleted(
    redis: Redis, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    settings = ApiSettings(webhook_networks="127.0.0.1")
    async with hook() as receiver, sending(store), running_api(redis, store, settings) as api:
        webhook_id, secret = await ask(api, capsys, "add", receiver.url, "--event", "call.stored")
        await ask(api, capsys, "test", webhook_id)
        delivered = ("deliveries", webhook_id, "--state", "delivered")
        lines = await until(lambda: ask(api, capsys, *delivered))
        again = await ask(api, capsys, "redeliver", webhook_id, lines[0].split()[0])
        await receiver.until(lambda it: len(it.bodies) == 2)
        listed = await ask(api, capsys, "list")
        deleted = await ask(api, capsys, "delete", webhook_id)
        after = await ask(api, capsys, "list")

    assert "webhook.test" in lines[0]
    assert "1 attempts status 200" in lines[0]
    assert " waiting " in again[0]
    assert receiver.url in listed[0]
    assert "call.stored" in listed[0]
    assert (deleted, after) == ([f"deleted {webhook_id}"], [])
    receiver.verified(secret.rpartition(" ")[2])
    store.close()
