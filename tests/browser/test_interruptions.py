"""
What interrupts the pages: restarts of API, Valkey and gateway, a lost network, a frozen page.

The table, the wall and the page of a call then show all that was said, and nothing twice.
"""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect
from support.pipeline import gateway

from browser.reading import expect_all, said
from browser.stack import Stack, Talk, stack
from streaming.settings import GatewaySettings

FIRST, SECOND, THIRD = "good morning this is Ann", "I have lost my card", "please wait a moment"
_HAS_FINALS = """([name, finals]) => {
  const rows = [...trunklineLive.calls.values()].filter((one) => one.agent === name);
  return rows.length === 1 && rows[0].finals === finals;
}"""
ROWS = {"/": "table.live tbody tr", "/?view=wall": ".tile"}


async def expect_row(page: Page, path: str, talk: Talk, name: str) -> None:
    """Wait until the only row of a call has all finals and the last words, and no message was lost."""
    row = page.locator(ROWS[path], has_text=name)
    await expect(row).to_have_count(1)
    await expect(row.locator(".words")).to_have_text(said(talk)[-1][1])
    await page.wait_for_function(_HAS_FINALS, arg=[name, len(said(talk))])
    assert await page.evaluate("trunklineLive.dropped") == 0


@pytest.mark.parametrize(
    "path", [one if one == "/" else pytest.param(one, marks=pytest.mark.long) for one in ROWS]
)
async def test_a_supervisor_misses_nothing_of_a_call_when_api_and_valkey_restart(
    tmp_path: Path, page: Page, path: str
) -> None:
    lost = page.get_by_text("The connection to the server was lost")
    async with stack(tmp_path) as it, it.call("restarts", metadata={"agent": "Ann"}) as talk:
        await page.goto(it.url + path)
        await talk.say(0, FIRST)
        await expect_row(page, path, talk, "Ann")

        await it.stop_api()
        await expect(lost).to_be_visible()
        await talk.say(1, SECOND)
        await it.start_api()
        await expect_row(page, path, talk, "Ann")
        await expect(lost).to_be_hidden()

        it.valkey.kill()
        it.valkey.start()
        await talk.say(0, THIRD)
        await expect_row(page, path, talk, "Ann")
        await page.reload()
        await expect_row(page, path, talk, "Ann")
        await talk.hang_up()
        await expect(page.locator(ROWS[path])).to_have_count(0)


async def test_a_supervisor_sees_one_row_of_a_call_that_changes_its_gateway(
    shared: Stack, page: Page
) -> None:
    await page.goto(shared.url)
    async with AsyncExitStack() as first:
        settings = GatewaySettings(drain_seconds=0, vad="webrtc")
        other = await first.enter_async_context(gateway(shared.redis, settings))
        mine = {"agent": "Mover"}
        async with shared.call("row", gateway=other, resumable=True, metadata=mine) as old:
            await old.say(0, FIRST)
            await expect_row(page, "/", old, "Mover")
            await first.aclose()
        ready = old.heard.of("ready")[0]
        async with shared.call("row", resumable=True, token=ready["token"]) as talk:
            talk.heard.events[:0] = old.heard.of("segment.final")
            talk.finals = 1
            await talk.say(1, SECOND)
            await expect_row(page, "/", talk, "Mover")
            await talk.hang_up()


async def test_a_lost_network_and_a_frozen_page_cost_no_words(
    shared: Stack, page: Page, context: BrowserContext
) -> None:
    """A browser freezes pages of a sleeping computer: https://wicg.github.io/page-lifecycle/"""
    devtools = await context.new_cdp_session(page)
    wall = await context.new_page()
    async with shared.call("offline", metadata={"agent": "Nomad"}) as talk:
        await page.goto(f"{shared.url}/calls/offline")
        await wall.goto(f"{shared.url}/?view=wall")
        await talk.say(0, FIRST)
        await expect_all(page, talk)

        await context.set_offline(True)
        await talk.say(1, SECOND)
        await context.set_offline(False)
        await expect_all(page, talk)
        await expect_row(wall, "/?view=wall", talk, "Nomad")

        await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
        await talk.say(0, THIRD)
        await talk.begin(1, SECOND)
        await devtools.send("Page.setWebLifecycleState", {"state": "active"})
        await talk.stop()
        await expect_all(page, talk)
        await expect_row(wall, "/?view=wall", talk, "Nomad")
        await talk.hang_up()
        await expect(page.locator("[data-status]")).to_have_text("Ended")
    await wall.close()
