"""Captions in a page of another site: in a frame, and by the custom element."""

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page

from browser.reading import said, shown
from browser.stack import Stack, stack
from transcripts.api.settings import ApiSettings

FIRST, SECOND = "thank you for calling Acme", "hello I have a question"
_LISTEN = """<script>
  window.received = [];
  addEventListener("message", (event) => received.push(event.data));
  addEventListener("trunkline-final", (event) => received.push({ type: "final", text: event.detail.text }));
</script>"""
_ELEMENT = """<script crossorigin src="{url}/trunkline-captions.js"></script>
<trunkline-captions server="{url}" call="{call}" token="unused"></trunkline-captions>"""
_FRAME = '<iframe title="Captions" src="{url}/embed/{call}#token=unused" width="600" height="400"></iframe>'


_LOADED = """performance.getEntries().filter((one) => one.encodedBodySize)
  .reduce((sum, one) => sum + one.encodedBodySize, 0)"""
"""Bytes of the page and of what it loaded: https://www.w3.org/TR/resource-timing/"""


@dataclass(frozen=True, slots=True)
class Site:
    """A server of another origin.  `folder`: its pages."""

    origin: str
    folder: Path

    def write(self, name: str, body: str) -> str:
        """Write a page and return its URL."""
        head = f"<!doctype html><html lang=en><title>CRM</title><main><h1>CRM</h1>{_LISTEN}"
        (self.folder / f"{name}.html").write_text(f"{head}{body}</main></html>")
        return f"{self.origin}/{name}.html"


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("crm")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_port}", folder)
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listed(crm: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose API lists the other site."""
    settings = ApiSettings(allowed_origins=crm.origin, embedded_by=crm.origin)
    async with stack(tmp_path_factory.mktemp("listed"), settings) as running:
        yield running


@pytest.mark.parametrize(("call", "body"), [("element", _ELEMENT), ("frame", _FRAME)])
async def test_another_site_shows_a_call_and_hears_of_its_finals(
    listed: Stack, crm: Site, page: Page, call: str, body: str
) -> None:
    url = crm.write(call, body.format(url=listed.url, call=call))
    async with listed.call(call, keywords=["Acme"]) as talk:
        await page.goto(url)
        await talk.say(0, FIRST)
        await talk.say(1, SECOND)
        inside = page if call == "element" else page.frames[1]
        await inside.locator(".segment.final").nth(1).wait_for()
        received = await page.evaluate("received.filter((one) => one.type === 'final')")
        finals, violations = await shown(inside), (await Axe().run(page)).response["violations"]
        await talk.hang_up()

    assert finals == said(talk)
    assert [one["text"] for one in received] == [FIRST, SECOND]
    assert violations == []


async def test_a_site_that_is_not_listed_can_neither_frame_a_call_nor_load_the_element(
    shared: Stack, crm: Site, context: BrowserContext
) -> None:
    page = await context.new_page()  # the fixture `page` takes the refused frame for a fault
    body = (_ELEMENT + _FRAME).format(url=shared.url, call="secret")
    await page.goto(crm.write("stranger", body))
    defined = await page.evaluate("customElements.get('trunkline-captions') !== undefined")

    assert not defined
    assert not page.frames[1].url.startswith(shared.url)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_axe_finds_nothing_on_the_pages_of_a_call_and_each_loads_less_than_150_kb(
    shared: Stack, page: Page, scheme: Literal["light", "dark"]
) -> None:
    await page.emulate_media(color_scheme=scheme)
    sizes = []
    async with shared.call(f"axe-{scheme}", keywords=["Acme"]) as talk:
        await talk.say(0, FIRST)
        await talk.send(type="dtmf", channel=1, digit="4")
        await talk.begin(1, SECOND)
        for path in (f"/calls/axe-{scheme}", f"/embed/axe-{scheme}"):
            await page.goto(f"{shared.url}{path}")
            await page.locator(".segment.partial, .segment.open").first.wait_for()
            violations = (await Axe().run(page)).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == [], path
            sizes.append(await page.evaluate(_LOADED))
        await talk.hang_up()

    assert 0 < max(sizes) < 150_000
