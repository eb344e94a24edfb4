"""What a page shows, for comparison with what was said."""

from collections.abc import Sequence

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Frame, Page, expect

from browser.stack import Talk

_SHIFTS = """() => new Promise((done) => {
  const moved = [];
  const name = (node) => node?.nodeType === 1 ? `${node.tagName} ${node.className}` : `text in ${node?.parentElement?.className}`;
  new PerformanceObserver((list) => list.getEntries().filter((one) => !one.hadRecentInput)
    .forEach((one) => moved.push(`${one.value}: ${one.sources.map((source) => name(source.node)).join(", ")}`)))
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => setTimeout(() => done(moved), 50));
})"""
"""Layout shifts without the reader's doing: https://wicg.github.io/layout-instability/"""


async def shown(page: Page | Frame) -> list[tuple[int, str]]:
    """Return channel and text of all finals on the page, in the order of the page."""
    found = await page.locator(".segment.final").evaluate_all(
        "rows => rows.map((row) => [row.classList.contains('agent') ? 0 : 1, row.querySelector('.words').textContent])"
    )
    return [(channel, text) for channel, text in found]


def said(talk: Talk) -> list[tuple[int, str]]:
    """Return channel and text of all finals of a call."""
    return [(one["channel"], one["text"]) for one in talk.heard.of("segment.final")]


async def expect_all(page: Page, talk: Talk) -> None:
    """Wait until the page shows every final of the call, and compare: nothing missing, nothing twice."""
    await expect(page.locator(".segment.final")).to_have_count(len(said(talk)))
    assert await shown(page) == said(talk)


async def layout_shifts(page: Page) -> list[str]:
    """Return the layout shifts of the page so far: the score of each, and what moved."""
    found: list[str] = await page.evaluate(_SHIFTS)
    return found


COLOURS = ("color-contrast", "link-in-text-block")
MORE = (*COLOURS, "color-contrast-enhanced")
"""Rules of axe-core about colours; `MORE`: with the contrast of level AAA."""


async def harms(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return what axe-core finds wrong with a page; only by `rules`, if there are any."""
    only = {"runOnly": list(rules)} if rules else {}
    found = await Axe().run(page, options={"resultTypes": ["violations"], **only})
    return [
        f"{one['id']}: {node['html'][:200]} {node['any'][:1]}"
        for one in found.response["violations"]
        for node in one["nodes"][:3]
    ]
