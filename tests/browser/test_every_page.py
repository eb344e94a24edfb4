"""What holds for every page: contrast in each scheme, phones, the keyboard, motion, and the size of a first visit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect
from support.http_client import http_client

from browser.reading import COLOURS, MORE, harms, layout_shifts
from browser.stack import Guarded, Stack, Talk, stored

PAGES = {
    "live": ("/", "table.live tbody tr"),
    "wall": ("/?view=wall", ".tile"),
    "call": ("/calls/every", ".segment.agent"),
    "call that is over": ("/calls/every-over", ".segment.final"),
    "embedded": ("/embed/every", ".segment.agent"),
    "finished": ("/finished?q=invoice&role=customer", ".result .hit"),
    "finished, nothing found": ("/finished?q=zebra", "[data-empty]"),
    "health": ("/health", "[data-parts] li"),
    "connect": ("/connect?system=twilio", ".snippet pre"),
    "webhooks": ("/webhooks", "[data-add]:not(.until-known)"),
    "talk": ("/talk", "[data-start]"),
    "no such call": ("/calls/nobody", "body:not(.loading) .waiting-for-call h2"),
}
LOGIN = ("/login", "input[name=key]")
USED_MOST = {"live", "call", "finished", "talk", "connect"}
EACH_PAGE = pytest.mark.parametrize(
    "name",
    [one if one in USED_MOST else pytest.param(one, marks=pytest.mark.long) for one in PAGES],
)
"""The pages that are used most in each run, the others in long ones."""

SCHEMES: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "light, more contrast": {"color_scheme": "light", "contrast": "more"},
    "dark, more contrast": {"color_scheme": "dark", "contrast": "more"},
    "forced colours": {"color_scheme": "dark", "forced_colors": "active"},
}
LONG = "https://example.com/" + "invoice" * 60
_BUDGET = 150_000


@dataclass(frozen=True, slots=True)
class Site:
    """A stack with a call in progress, in which somebody speaks, and one that is over."""

    url: str
    talk: Talk

    async def visit(self, page: Page, name: str) -> None:
        """Open a page and wait for its content."""
        path, ready = PAGES[name]
        await page.goto(self.url + path)
        await page.locator(ready).first.wait_for()

    async def show(self, page: Page, name: str) -> None:
        """Visit a page; on that of the call in progress, wait for a new partial too."""
        await self.visit(page, name)
        if PAGES[name][0].endswith("/every"):
            partial = page.locator(".segment.partial")
            await self.talk.begin(1, f"hello my {LONG} is wrong", partial)
            await partial.first.wait_for()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(shared: Stack) -> AsyncIterator[Site]:
    card = {"title": "Offer", "text": LONG, "link": "https://crm.example.com/1"}
    async with http_client(base_url=shared.url) as client:
        async with shared.call("every-over", ["Orvanta"], metadata={"agent": "Ann"}) as talk:
            await talk.say(1, f"my invoice is {LONG}")
            await talk.say(0, "thank you this is Orvanta")
            await talk.hang_up()
        await stored(shared, "every-over")
        async with shared.call(
            "every", ["Orvanta", LONG[:60]], metadata={"agent": "Ann", "from": LONG}
        ) as talk:
            await talk.say(0, "thank you this is Orvanta")
            await talk.send(type="dtmf", channel=1, digit="4")
            await client.post("/v1/calls/every/cards", json=card)
            await talk.say(0, "one moment please")
            await talk.be_silent_until("dtmf")  # held back until it cannot be part of a card number
            yield Site(shared.url, talk)
            await talk.hang_up()


@EACH_PAGE
async def test_no_page_violates_a_rule_of_axe_in_any_scheme(
    site: Site, page: Page, name: str
) -> None:
    await page.emulate_media(color_scheme="light")
    await site.show(page, name)

    found = {"light": await harms(page)}
    for scheme, media in SCHEMES.items():
        await page.emulate_media(**{"contrast": "null", "forced_colors": "none", **media})
        found[scheme] = await harms(page, MORE if "contrast" in media else COLOURS)
    await page.emulate_media(color_scheme="light", contrast="null", forced_colors="none")
    for choice in ("data-contrast=more", "data-theme=dark"):
        attribute, _, value = choice.partition("=")
        await page.evaluate(
            "([name, value]) => document.documentElement.setAttribute(name, value)",
            [attribute, value],
        )
        found[choice] = await harms(page, MORE)

    assert {scheme: wrong for scheme, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("name", PAGES)
async def test_no_page_scrolls_sideways_on_a_narrow_phone_or_with_the_largest_text(
    site: Site, page: Page, name: str
) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    await site.show(page, name)

    widths = []
    for text in (1, 1.6):
        await page.evaluate("(text) => globalThis.trunklineAppearance?.change({ text })", text)
        widths.append(await page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]"))

    assert widths == [[320, 320], [320, 320]]


_REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
  .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true }))
  .filter((one) => one.type !== "radio")
  .map((one, number) => { one.dataset.place ??= number; return one.dataset.place; })"""
_FOCUSED = """() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const isPartOfField = one.type === "date" && !one.matches(":focus");      // the browser marks its calendar button itself
  return [one.dataset.place ?? null, isMarked || isPartOfField || one === document.body, one.outerHTML.slice(0, 120)];
}"""


@EACH_PAGE
async def test_all_that_can_be_operated_is_reached_by_tab_and_shows_the_focus(
    site: Site, page: Page, name: str
) -> None:
    await site.show(page, name)
    wanted = set(await page.evaluate(_REACHABLE))

    reached, unmarked = set(), []
    for _ in range(3 * len(wanted) + 20):  # a date field takes several steps
        await page.keyboard.press("Tab")
        place, is_marked, html = await page.evaluate(_FOCUSED)
        reached.add(place)
        if not is_marked:
            unmarked.append(html)
        if wanted <= reached:
            break

    assert wanted - reached == set()
    assert unmarked == []


@EACH_PAGE
async def test_nothing_moves_for_readers_who_asked_for_less_motion(
    site: Site, page: Page, name: str
) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await site.show(page, name)

    moving = await page.evaluate(
        "document.getAnimations().map((one) => one.animationName ?? one.transitionProperty)"
    )

    assert moving == []


@EACH_PAGE
async def test_a_first_visit_transfers_less_than_150_kb_and_moves_nothing(
    site: Site, context: BrowserContext, name: str
) -> None:
    """Nobody speaks meanwhile: a final with more lines than its partial may move the row below it."""
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    received: dict[str, float] = {}

    def count(event: dict[str, Any]) -> None:
        known = received.get(event["requestId"], 0)
        received[event["requestId"]] = known + event.get("encodedDataLength", 0)

    devtools.on("Network.dataReceived", count)
    await site.visit(page, name)
    await page.wait_for_load_state("load")

    assert 10_000 < sum(received.values()) < _BUDGET
    assert await layout_shifts(page) == []


async def test_the_login_page_holds_to_the_same(guarded: Guarded, page: Page) -> None:
    path, ready = LOGIN
    await page.set_viewport_size({"width": 320, "height": 640})
    await page.emulate_media(color_scheme="light")
    await page.goto(guarded.stack.url + path)
    await page.locator(ready).wait_for()

    assert await harms(page) == []
    for media in SCHEMES.values():
        await page.emulate_media(**{"contrast": "null", "forced_colors": "none", **media})
        assert await harms(page, COLOURS) == []
    assert await page.evaluate("document.scrollingElement.scrollWidth") == 320


async def test_the_dialogs_are_harmless_and_give_the_focus_back(site: Site, page: Page) -> None:
    await site.show(page, "call")
    for button, dialog in (("Appearance", "Appearance"), ("Keyboard", "Keyboard")):
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("dialog", name=dialog)).to_be_visible()
        assert await harms(page) == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name=button)).to_be_focused()
