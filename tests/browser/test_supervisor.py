"""The supervisor's pages: live calls, finished calls, health."""

import re

from playwright.async_api import Browser, Page, expect
from support.http_client import http_client

from browser.reading import harms, layout_shifts
from browser.stack import Guarded, Stack, stored

HOSTILE = "<img src=x onerror=alert(1)> \u202egpj.exe\u202c \U0001f600 " + "A" * 300


async def test_a_call_is_seen_while_people_speak_and_found_as_one_types(
    shared: Stack, page: Page
) -> None:
    await page.goto(shared.url)
    async with shared.call(
        "sup-1", ["Orvanta"], metadata={"agent": "Priya Raman", "from": "+15550100"}
    ) as talk:
        row = page.locator("table.live tbody tr", has_text="Priya Raman")
        await talk.begin(1, "my number is Orvanta", row.locator(".words", has_text="my number"))
        await expect(row.locator(".words")).to_contain_text("my number")
        await talk.stop()
        await expect(row.locator(".c-keywords")).to_contain_text("Orvanta")
        await expect(row.get_by_role("img", name="Customer 100 %")).to_be_visible()
        await expect(row.get_by_text("+15550100")).to_be_visible()

        search = page.get_by_placeholder("Filter")
        await search.fill("nobody has this name")
        await expect(row).to_have_count(0)
        await expect(page.get_by_text("No call matches the filter")).to_be_visible()
        await search.fill("priya orvanta")
        await expect(row).to_have_count(1)
        await page.reload()  # the address has the filter
        await expect(page.get_by_placeholder("Filter")).to_have_value("priya orvanta")
        await expect(row).to_have_count(1)

        await page.get_by_role("button", name="Wall").click()
        tile = page.locator(".tile", has_text="Priya Raman")
        await talk.begin(0, "thank you for calling", tile.locator(".words", has_text="thank you"))
        await expect(tile.locator(".words")).to_contain_text("thank you")
        await talk.stop()
        assert await layout_shifts(page) == []
        assert await harms(page) == []
        await talk.hang_up()
    await expect(page.locator(".tile", has_text="Priya Raman")).to_have_count(0)
    assert await page.evaluate("trunklineLive.dropped") == 0


async def test_hostile_text_is_shown_as_text(shared: Stack, page: Page) -> None:
    await page.goto(shared.url)
    async with shared.call(
        "sup-2", metadata={"agent": HOSTILE[:200], "from": HOSTILE[:200]}
    ) as talk:
        await talk.say(1, HOSTILE)
        row = page.locator("table.live tbody tr", has_text="onerror")
        await expect(row.locator(".words")).to_contain_text("AAAA")
        assert await page.locator("main img").count() == 0
        width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0
        assert await harms(page) == []
        await talk.hang_up()


async def test_a_finished_call_is_found_and_its_timeline_leads_to_each_turn(
    shared: Stack, page: Page
) -> None:
    async with shared.call("sup-3", ["Orvanta"]) as talk:
        await talk.say(0, "thank you for calling Acme")
        await talk.say(1, "the zeppelin is Orvanta <b>")
        async with http_client(base_url=shared.url) as client:
            card = {
                "title": "<i>Offer</i>",
                "link": "https://crm.example.com/1",
                "segment_id": "1-0",
            }
            await client.post("/v1/calls/sup-3/cards", json=card)
        await talk.hang_up()
    await stored(shared, "sup-3")

    await page.goto(f"{shared.url}/finished")
    await page.get_by_role("searchbox").fill("zeppelin")
    hit = page.locator(".result", has_text="sup-3").locator(".hit")
    await expect(hit.locator("mark")).to_have_text("zeppelin")
    await expect(page).to_have_url(re.compile(r"\?q=zeppelin$"))
    assert await harms(page) == []
    await hit.click()

    found = page.locator(".segment.customer", has_text="zeppelin")
    await expect(found).to_be_focused()
    await expect(page.locator(".assist")).to_contain_text("<i>Offer</i>")
    await expect(page.get_by_role("link", name="crm.example.com")).to_have_attribute(
        "rel", "noopener noreferrer"
    )
    slider = page.get_by_role("slider", name="Position in the call")
    await slider.focus()
    await slider.press("Home")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("Agent: thank you"))
    await slider.press("Enter")
    await expect(page.locator(".segment.agent").first).to_be_focused()
    assert await harms(page) == []
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="SRT").click()
    path = await (await downloading.value).path()
    assert "zeppelin" in path.read_text()


async def test_the_health_is_told_in_words(shared: Stack, page: Page) -> None:
    await page.goto(f"{shared.url}/health")

    await expect(page.get_by_text("1 gateway is ready to take calls.")).to_be_visible()
    await expect(page.get_by_text("1 worker is running")).to_be_visible()
    assert await harms(page) == []


async def test_two_tenants_see_their_own_calls_and_the_page_survives_a_restart(
    guarded: Guarded, page: Page, browser: Browser
) -> None:
    running, keys = guarded.stack, guarded.keys
    other = await (await browser.new_context()).new_page()
    await guarded.log_in(page, "/", keys.acme)
    await guarded.log_in(other, "/", keys.globex)
    await expect(other.get_by_text("No call is in progress")).to_be_visible()
    async with running.call("sup-5", key=keys.acme_bridge, metadata={"agent": "Tom"}) as talk:
        await talk.say(0, "first words")
        row = page.locator("table.live tbody tr", has_text="Tom")
        await expect(row.locator(".words")).to_contain_text("first words")
        await running.stop_api()
        await expect(page.get_by_text("The connection to the server was lost")).to_be_visible()
        await talk.say(1, "second words")
        await running.start_api()
        await expect(row.locator(".words")).to_contain_text("second words")
        await expect(page.locator("[data-connection]")).to_be_hidden()
        await expect(other.locator("[data-status]")).to_have_text("Live")
        await expect(other.get_by_text("No call is in progress")).to_be_visible()
        assert await page.evaluate("trunklineLive.dropped") == 0
        await talk.hang_up()
    await other.context.close()
