"""The supervisor's pages: live calls, finished calls, health, connecting a phone system, talking to it."""

import json
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from support.credentials import site

from browser.conftest import _ARGUMENTS, _VERSION, PATIENCE_MS
from browser.reading import layout_shifts
from browser.stack import PROMPT, Stack, stack
from cli import keys
from protocol.auth.credentials import Scope
from transcripts.api.settings import ApiSettings

expect.set_options(timeout=PATIENCE_MS)

HOSTILE = "<img src=x onerror=alert(1)> \u202egpj.exe\u202c \U0001f600 " + "A" * 300


async def harms(page: Page) -> list[str]:
    """What axe-core finds wrong with a page."""
    found = await Axe().run(page)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found.response["violations"]]


async def stored(stack_: Stack, call_id: str, headers: dict[str, str] | None = None) -> None:
    """Wait until a call is stored as ended."""
    async with httpx.AsyncClient(base_url=stack_.url, headers=headers) as client:
        while True:
            answer = await client.get(f"/v1/calls/{call_id}")
            if answer.status_code == 200 and answer.json()["status"] == "ended":
                return


async def test_a_call_is_seen_while_people_speak_and_found_as_one_types(
    shared: Stack, page: Page
) -> None:
    await page.goto(shared.url)
    async with shared.call(
        "sup-1", ["Orvanta"], metadata={"agent": "Priya Raman", "from": "+15550100"}
    ) as talk:
        row = page.locator("table.live tbody tr", has_text="Priya Raman")
        await talk.begin(1, "my number is Orvanta")
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
        await talk.begin(0, "thank you for calling")
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
        async with httpx.AsyncClient(base_url=shared.url) as client:
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


async def test_the_page_tells_when_the_first_audio_of_a_phone_system_arrives(
    shared: Stack, page: Page
) -> None:
    await page.goto(f"{shared.url}/connect?system=native")
    await expect(page.locator(".snippet pre")).to_contain_text(f"{shared.pipe.url}/v1/calls")
    await expect(page.get_by_text("Waiting for the first audio")).to_be_visible()
    assert await harms(page) == []
    async with shared.call("sup-4") as talk:
        await talk.say(0, "hello there how are you")
        arrival = page.locator("[data-arrival]")
        # the other channel is silent: after some seconds the page says that too
        await expect(arrival).to_contain_text(re.compile("It works: speech arrives|One-way audio"))
        await expect(arrival).to_contain_text("Agent, Customer")
        await expect(arrival).to_contain_text("8 kHz")
        assert await harms(page) == []
        await talk.hang_up()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Stack, str, str]]:
    """A stack whose API needs keys: with an admin key of no tenant, whose calls the gateway brings, and one of acme."""
    folder = tmp_path_factory.mktemp("guarded")
    made = site(folder)
    admin = keys.create(made.file, owner="", scopes=(Scope.ADMIN,), days=None, note="", now=0.0)
    async with stack(folder, ApiSettings(keys_file=str(made.file))) as running:
        yield running, admin, made.acme


async def log_in(page: Page, url: str, key: str) -> None:
    await page.goto(url)
    await page.wait_for_url("**/login**")
    await page.locator("input[name=key]").fill(key)
    await page.get_by_role("button", name="Log in").click()


async def test_two_tenants_see_their_own_calls_and_the_page_survives_a_restart(
    guarded: tuple[Stack, str, str], page: Page, browser: Browser
) -> None:
    running, admin, acme = guarded
    other = await (await browser.new_context()).new_page()
    await log_in(page, running.url, admin)
    await log_in(other, running.url, acme)
    await expect(other.get_by_text("No call is in progress")).to_be_visible()
    async with running.call("sup-5", metadata={"agent": "Tom"}) as talk:
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


async def test_a_key_is_made_on_the_spot_by_administrators_only(
    guarded: tuple[Stack, str, str], context: BrowserContext, browser: Browser
) -> None:
    running, admin, acme = guarded
    page = await context.new_page()
    await log_in(page, f"{running.url}/connect?system=asterisk", admin)
    await page.get_by_role("button", name="Make a key").click()
    made = await page.locator(".key").text_content()
    await expect(page.locator(".snippet pre")).to_contain_text(f"password = {made}")
    async with httpx.AsyncClient(base_url=running.url) as client:
        status = 401  # until the API has read the key file again
        while status == 401:
            answer = await client.get("/v1/calls", headers={"authorization": f"Bearer {made}"})
            status = answer.status_code
    assert status == 403  # it sends calls, and reads none

    other = await (await browser.new_context()).new_page()
    await log_in(other, f"{running.url}/connect?system=asterisk", acme)
    await expect(other.get_by_label("Key with the scope ingest")).to_be_visible()
    await expect(other.get_by_role("button", name="Make a key")).to_have_count(0)
    await other.context.close()


def recorded(file: Path) -> Path:
    """The prompt as a WAV file at 48 kHz, for the microphone of the browser."""
    with wave.open(str(PROMPT)) as read:
        rate, samples = read.getframerate(), np.frombuffer(read.readframes(10**7), dtype="<i2")
    with wave.open(str(file), "wb") as made:
        made.setparams((1, 2, 48_000, 0, "NONE", ""))
        made.writeframes(np.repeat(samples, 48_000 // rate).tobytes())
    return file


async def test_the_microphone_of_a_visitor_is_a_call_of_8_khz(
    shared: Stack, tmp_path: Path
) -> None:
    arguments = (
        *_ARGUMENTS,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recorded(tmp_path / 'microphone.wav')}",
    )
    program = Path(_VERSION).parent.resolve() / "chromium"
    async with async_playwright() as playwright:
        speaking = await playwright.chromium.launch(executable_path=program, args=arguments)
        page = await speaking.new_page()
        page.set_default_timeout(PATIENCE_MS)
        shared.engine.phrase = "this is the microphone"
        await page.goto(f"{shared.url}/talk")
        assert await harms(page) == []
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.locator(".lines li").first).to_contain_text(
            "this is", timeout=PATIENCE_MS
        )
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_text("The call is over")).to_be_visible()
        path = await page.locator("[data-page]").get_attribute("href")
        await speaking.close()
    call_id = (path or "").rpartition("/")[2]
    async with httpx.AsyncClient(base_url=shared.url) as client:
        events = (await client.get(f"/v1/calls/{call_id}/events")).json()["events"]
    started = next(one for one in events if one["type"] == "call.started")
    assert (started["roles"], started["sample_rate"]) == (["customer"], 8_000)
    assert json.dumps(events).count("segment.final") >= 1
