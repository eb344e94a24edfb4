"""
Debian's Chromium against the whole stack: Valkey, gateway, worker, recorder and API, on free ports.

`make chromium` fetches Chromium; without it these tests are skipped.  One browser and one stack serve all tests of
this folder, each with calls of its own: the event loop is that of the session.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from support.credentials import site

from browser.stack import Guarded, Stack, stack
from cli import keys
from protocol.auth.credentials import Scope
from transcripts.api.settings import ApiSettings

_VERSION = os.environ.get("TRUNKLINE_TEST_CHROMIUM", "")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)  # the machine may be busy


def program() -> Path:
    """The program of Chromium."""
    return Path(_VERSION).parent.resolve() / "chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in the event loop of the session; skip them without Chromium."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if not _VERSION:
                item.add_marker(pytest.mark.skip(reason="no Chromium: run `make chromium`"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser of all tests."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without keys, for tests that restart nothing."""
    async with stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A stack whose API and gateway need keys."""
    folder = tmp_path_factory.mktemp("guarded")
    made = site(folder)
    admin = keys.create(made.file, owner="acme", scopes=(Scope.ADMIN,), days=None, note="", now=0.0)
    settings = ApiSettings(keys_file=str(made.file), embedded_by="https://crm.example.com")
    async with stack(folder, settings, keyed_gateway=True) as running:
        yield Guarded(running, made, admin)


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile of the test's own: no cookies, no storage."""
    made = await browser.new_context(locale="en-GB", timezone_id="Europe/London")
    made.set_default_timeout(PATIENCE_MS)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page that fails the test if a script fails, or if its policy stops something."""
    opened = await context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "console",
        lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None,
    )
    yield opened
    assert faults == []
