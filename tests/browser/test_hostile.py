"""Markup, reversed text, endless words and emoji in every field that others fill: shown as text, in its place."""

import httpx
from playwright.async_api import Page, expect
from support.http_client import http_client

from browser.stack import Stack, Talk, stored

MARKUP = "<img src=x onerror=globalThis.hit=1><script>globalThis.hit=1</script>"
REVERSED = "\u202egpj.exe\u202c \u2066\u05e9\u05dc\u05d5\u05dd\u2069"
EMOJI = "👩‍👩‍👧\U0001f3f4\u200d\u2620\ufe0f"
FIELD = f"{MARKUP} {REVERSED} {EMOJI} {'W' * 60}"
WORD = "W" * 10_000
LIVE = {
    "/": "table.live tbody tr",
    "/?view=wall": ".tile",
    "/calls/hostile-live": ".segment.final",
    "/embed/hostile-live": ".segment.final",
}
METADATA = {"agent": FIELD[:200], "from": FIELD[:200], MARKUP[:40]: FIELD[:200]}
OVER = {"/finished?q=zeppelin": ".result .hit", "/calls/hostile-over": ".segment.final"}


async def harmless(shared: Stack, page: Page, paths: dict[str, str]) -> None:
    """Open pages on a desktop and on a phone: no element comes from the text, and nothing is wider than the page."""
    for path, ready in paths.items():
        for width in (1280, 320):
            await page.set_viewport_size({"width": width, "height": 700})
            await page.goto(shared.url + path)
            await page.locator(ready).first.wait_for()
            await expect(page.get_by_text("onerror").first).to_be_attached()
            assert await page.locator("main :is(img, script, b, i)").count() == 0, path
            assert await page.evaluate("globalThis.hit") is None, path
            assert await page.evaluate("document.scrollingElement.scrollWidth") <= width, path


async def speak(shared: Stack, talk: Talk, client: httpx.AsyncClient, call_id: str) -> None:
    """Say hostile words in a call, and add a hostile card."""
    final = await talk.say(1, f"the zeppelin of Orvanta {FIELD} {WORD}")
    card = {
        "title": FIELD[:150],
        "text": f"{FIELD} {WORD[:1_500]}",
        "link": "https://x.example/<b>",
    }
    added = await client.post(f"/v1/calls/{call_id}/cards", json=card)
    await talk.heard.until("card")
    assert added.is_success, added.text
    assert MARKUP in str(final["text"])


async def test_of_a_call_in_progress_hostile_text_in_every_field_is_text(
    shared: Stack, page: Page
) -> None:
    async with (
        http_client(base_url=shared.url) as client,
        shared.call("hostile-live", [MARKUP[:40], "Orvanta"], metadata=METADATA) as talk,
    ):
        await speak(shared, talk, client, "hostile-live")
        await harmless(shared, page, LIVE)
        await talk.hang_up()


async def test_of_a_finished_call_hostile_text_in_every_field_is_text(
    shared: Stack, page: Page
) -> None:
    async with http_client(base_url=shared.url) as client:
        async with shared.call("hostile-over", [MARKUP[:40]], metadata=METADATA) as talk:
            await speak(shared, talk, client, "hostile-over")
            await talk.hang_up()
        await stored(shared, "hostile-over")
        told = {"agent": FIELD[:200], "tags": [MARKUP[:64], REVERSED, EMOJI]}
        changed = await client.patch("/v1/calls/hostile-over", json=told)
    assert changed.is_success, changed.text

    await harmless(shared, page, OVER)
