"""The page of webhooks: an endpoint is added, its deliveries are seen, and one is sent again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect
from redis.asyncio import Redis
from support.api import RunningApi, running_api
from support.call_records import recorded, started
from support.valkey import ValkeyServer
from support.webhooks import Hook, hook, sending

from broker.connections.connection import connect
from browser.reading import harms
from protocol.settings import RedisSettings
from transcripts.api.settings import ApiSettings
from transcripts.store import Store


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[tuple[RunningApi, Store, Hook]]:
    """An API with a sender, and a receiver that answers with an error at first."""
    settings = ApiSettings(webhook_networks="127.0.0.1")
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    with ValkeyServer(tmp_path / "valkey.sock") as valkey:
        redis: Redis = connect(RedisSettings(url=valkey.url))
        async with (
            hook(lambda number: "410 Gone" if number == 0 else "200 OK") as receiver,
            sending(store),
            running_api(redis, store, settings) as api,
        ):
            yield api, store, receiver
        await redis.aclose()
    store.close()


async def test_a_webhook_is_added_and_a_dead_letter_is_sent_again(
    site: tuple[RunningApi, Store, Hook], page: Page
) -> None:
    api, store, receiver = site
    await page.goto(f"{api.url}/webhooks")
    await expect(page.get_by_text("There are none yet.")).to_be_visible()
    await page.get_by_label("URL").fill("http://10.0.0.1/")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("permitted to the listed networks")

    await page.get_by_label("URL").fill(receiver.url)
    await page.get_by_label("Description").fill("<img src=x onerror=alert(1)>")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("[data-secret-text]")).to_contain_text("whsec_")
    secret = await page.locator("[data-secret-text]").text_content()
    assert secret is not None
    await expect(page.locator(".webhook")).to_contain_text("<img src=x onerror=alert(1)>")

    store.record(recorded("c1", started()))
    row = page.locator("[data-rows] tr", has_text="c1")
    await expect(row).to_contain_text("Given up")
    await expect(row).to_contain_text("the answer has the status 410")
    await expect(page.locator(".webhook")).to_contain_text("Disabled: the receiver answered 410 Gone")  # fmt: skip
    assert await harms(page) == []

    await page.get_by_role("button", name="Enable").click()
    await page.get_by_role("button", name="Send call.started of c1 again").click()
    await expect(row).to_contain_text("Delivered")
    await page.get_by_label("State").select_option("dead")
    await expect(page.get_by_text("No deliveries.")).to_be_visible()
    assert await harms(page) == []
    assert len(receiver.verified(secret)) == 2
