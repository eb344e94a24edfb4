"""The page of a call while people speak."""

from playwright.async_api import Page, expect

from browser.reading import expect_all, layout_shifts, said
from browser.stack import Stack

GREETING = "thank you for calling Acme my name is Ann how can I help you"
QUESTION = "hello my invoice is wrong and I want to speak about Orvanta please"


async def test_a_partial_changes_in_place_and_becomes_final_without_a_layout_shift(
    shared: Stack, page: Page
) -> None:
    async with shared.call("grows", keywords=["Acme", "Priya Raman"]) as talk:
        await page.goto(f"{shared.url}/calls/grows")
        stable = page.locator(".segment.partial .word:not(.open)")
        await talk.begin(0, GREETING, stable)
        await expect(stable.first).to_have_text("thank")
        row = await page.locator(".segment").element_handle()
        await talk.stop()
        await expect(page.locator(".segment.final")).to_have_text(f"Agent0:00{GREETING}")
        await talk.say(1, QUESTION)
        await talk.hang_up()
        await expect(page.locator("[data-status]")).to_have_text("Ended")

    assert row is not None
    assert await row.evaluate("row => row.isConnected && row.classList.contains('final')")
    await expect(page.locator(".segment.agent mark")).to_have_text("Acme")
    await expect(page.locator(".terms .heard")).to_contain_text("Acme")
    await expect(page.locator(".terms li:not(.heard)")).to_contain_text("Priya Raman")
    assert await layout_shifts(page) == []
    await page.get_by_role("button", name="Show the timeline").click()
    await expect(page.get_by_role("slider", name="Position in the call")).to_be_visible()


async def test_a_reload_in_mid_call_shows_everything_so_far_and_goes_on(
    shared: Stack, page: Page
) -> None:
    async with shared.call("reloaded") as talk:
        await talk.say(0, GREETING)
        await talk.send(type="dtmf", channel=1, digit="4")
        await talk.send(type="dtmf", channel=1, digit="2")
        await page.goto(f"{shared.url}/calls/reloaded")
        await expect_all(page, talk)
        await talk.begin(1, QUESTION, page.locator(".segment.partial"))
        await expect(page.locator(".segment.partial")).to_have_count(1)
        await page.reload()
        await talk.stop()
        await talk.say(0, GREETING)
        await expect_all(page, talk)
        await talk.hang_up()

    assert len(said(talk)) == 3
    await expect(page.get_by_text("Customer pressed 4 2")).to_be_visible()


async def test_a_term_is_added_by_one_click_and_the_page_shows_the_acknowledgement(
    shared: Stack, page: Page
) -> None:
    async with shared.call("terms", keywords=["Acme"]) as talk:
        await page.goto(f"{shared.url}/calls/terms")
        await talk.say(1, QUESTION)
        await (
            page.locator(".segment.final")
            .get_by_text("Orvanta")
            .dblclick(position={"x": 5, "y": 5})
        )
        await page.evaluate(
            """() => {
              const words = document.querySelector(".segment.final .words").firstChild.firstChild;
              const at = words.data.indexOf("Orvanta");
              document.getSelection().setBaseAndExtent(words, at, words, at + 7);
            }"""
        )
        await page.get_by_role("button", name="Keyword “Orvanta”").click()
        await expect(page.locator("[data-keywords] [role=status]")).to_contain_text("in use")
        applied = await talk.heard.until("keywords.applied", 2)
        await talk.say(1, QUESTION)
        await expect(page.locator(".terms .heard")).to_contain_text("Orvanta")
        await talk.hang_up()

    assert applied["accepted"] == ["Acme", "Orvanta"]


HOSTILE = (
    "<img src=x onerror=document.title='run'> <script>document.title='run'</script> "
    "\u202egnirts desrever &lt;b&gt; \u05e9\u05dc\u05d5\u05dd 👩‍👩‍👧 " + "W" * 10_000
)


async def test_hostile_text_is_shown_as_text_and_stays_in_its_row(
    shared: Stack, page: Page
) -> None:
    call_id = "hostile"
    async with shared.call(call_id, keywords=["Acme"]) as talk:
        await page.goto(f"{shared.url}/calls/{call_id}")
        final = await talk.say(1, HOSTILE)
        await talk.say(0, GREETING)
        await expect_all(page, talk)
        await talk.hang_up()

    assert "<img" in str(final["text"])
    assert "W" * 10_000 in str(final["text"])
    assert await page.title() == f"{call_id} · Trunkline"
    assert await page.locator(".words img, .words script, .words b").count() == 0
    width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    scroller = await page.locator(".captions").evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert scroller[0] <= scroller[1]


async def test_the_keyboard_steps_searches_and_bookmarks(shared: Stack, page: Page) -> None:
    async with shared.call("keys") as talk:
        for phrase in (GREETING, QUESTION, "yes of course"):
            await talk.say(0, phrase)
        await page.goto(f"{shared.url}/calls/keys")
        await expect_all(page, talk)
        await talk.hang_up()

    await page.keyboard.press("j")
    await page.keyboard.press("k")
    focused = page.locator(".row-of-call:focus")
    await expect(focused).to_contain_text("invoice")
    await page.keyboard.press("b")
    await expect(page.locator(".marks li")).to_contain_text(["invoice"])
    await page.keyboard.press("/")
    await page.keyboard.type("CALLING")
    await page.keyboard.press("Enter")
    await expect(page.locator(".find output")).to_have_text("1 of 1")
    await page.keyboard.press("Escape")
    await expect(focused).to_contain_text("Acme")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.locator(".segment.marked")).to_contain_text("invoice")
