"""
Makes pictures of the web pages in Chromium, with calls whose words are made up.

    python docs/pictures/make_screenshots.py CHROMIUM_FOLDER        (`make screenshots` calls it)

All pictures go to `build/screenshots`; those that documents show are copied beside this file.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.live_wall import api_process
from bench.synthetic_calls import talk
from broker.connections.connection import connect
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "screenshots"
SHOWN = ("call", "call-phone-dark", "wall", "finished-call")
"""The pictures that README and documents show."""

_CALL, _FINISHED = "call-4202", "done-4202"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_COLOURS = 128
_PATIENCE_MS = 180_000
_CALLS_ON_WALL = 50


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.  `path`: of the page; `ready`: selector of what must be visible."""

    name: str
    path: str
    ready: str
    width: int = 1280
    height: int = 800
    is_dark: bool = False


SHOTS = (
    Shot("call", f"/calls/{_CALL}", ".segment.final"),
    Shot("call-dark", f"/calls/{_CALL}", ".segment.final", is_dark=True),
    Shot("call-phone-dark", f"/calls/{_CALL}", ".segment.final", 390, 780, is_dark=True),
    Shot("live", "/", "table.live tbody tr"),
    Shot("live-phone", "/", "table.live tbody tr", 390, 780),
    Shot("wall", "/?view=wall", ".tile", 1920, 1180),
    Shot("finished", "/finished?q=refund", ".result"),
    Shot("finished-call", f"/calls/{_FINISHED}", ".segment.final"),
    Shot("connect", "/connect?system=twilio", "pre"),
    Shot("health", "/health", "main li, main p"),
    Shot("talk", "/talk", "main button"),
    Shot("no-such-call", "/calls/nobody", "main"),
)


@contextlib.asynccontextmanager
async def recorder(folder: Path, valkey_url: str) -> AsyncIterator[None]:
    """Run a recorder for the store of the API."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", "recorder"),
        *("--store", f"sqlite:///{folder / 'store.db'}"),
        cwd=ROOT,
        env=os.environ | {"TRUNKLINE_REDIS_URL": valkey_url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def take(browser: Browser, url: str, shot: Shot) -> None:
    """Make one picture."""
    context = await browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.is_dark else "light",
        locale="en-GB",
        timezone_id="Europe/London",
    )
    context.set_default_timeout(_PATIENCE_MS)
    page: Page = await context.new_page()
    await page.goto(url + shot.path)
    await page.wait_for_selector(shot.ready)
    await page.wait_for_timeout(1_500)  # partials arrive
    path = BUILT / f"{shot.name}.png"
    await page.screenshot(path=path)
    await context.close()
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


async def main(chromium: Path) -> None:
    """Make all pictures.  `chromium`: the program."""
    BUILT.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="trunkline-screenshots-"))
    async with (
        embedded_valkey() as valkey_url,
        recorder(folder, valkey_url),
        api_process(folder, valkey_url) as (_, port),
        async_playwright() as playwright,
    ):
        redis, over, done = connect(RedisSettings(url=valkey_url)), asyncio.Event(), asyncio.Event()
        ended = asyncio.create_task(talk(redis, 6, done, name="done", before=240))
        live = asyncio.create_task(talk(redis, _CALLS_ON_WALL, over))
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        await asyncio.sleep(8)  # people talk
        done.set()
        await ended
        await asyncio.sleep(2)  # the recorder stores
        for shot in SHOTS:
            await take(browser, f"http://127.0.0.1:{port}", shot)
        over.set()
        await live
        await browser.close()
        await redis.aclose()
    for name in SHOWN:
        shutil.copy(BUILT / f"{name}.png", Path(__file__).parent / f"{name}.png")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve() / "chromium"))
