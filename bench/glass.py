"""
How long a partial takes from its event to the glass: from its arrival at Redis to the frame that shows it.

    export TRUNKLINE_TEST_CHROMIUM=.venv/chromium/version
    python bench/glass.py [--seconds 60] [--calls 10]

Real calls run through a gateway and a worker whose engine costs nothing; the page of a call shows one of them in
Chromium.  A subscriber of Redis notes when each partial arrives; the page notes when the frame with its words is
painted (the first task after the animation frame that follows the change of the document).  Both read the clock of
this machine.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from playwright.async_api import async_playwright
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.gateway_calls import GatewayCall, gateway_and_worker, talk
from bench.live_wall import api_process
from broker.connections.connection import connect
from broker.redis_keys import CallKeys
from cli.bench.percentiles import percentile
from protocol.events import Entry, Partial
from protocol.events.event_codec import decode_entry
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey

_SHOWN = "call-4200"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_WATCH = """() => {
  const place = document.querySelector(".captions");
  const painted = (window.painted = []);
  const channel = new MessageChannel();
  let due = null;
  channel.port1.onmessage = () => {
    const at = performance.timeOrigin + performance.now();
    for (const [key, text] of due) painted.push([key, text, at]);
    due = null;
  };
  new MutationObserver(() => {
    const rows = place.querySelectorAll(".segment.partial");
    const texts = [...rows].map((row) => [row.dataset.key, row.querySelector(".words").textContent]);
    if (due === null) requestAnimationFrame(() => channel.port2.postMessage(0));
    due = texts;
  }).observe(place, { childList: true, subtree: true, characterData: true, attributes: true });
}"""


async def note_partials(redis: Redis, arrived: dict[tuple[str, str], float]) -> None:
    """Note when each text of a segment of the shown call first arrives at a subscriber, in seconds since 1970."""
    pubsub = redis.pubsub()
    await pubsub.subscribe(CallKeys.of(_SHOWN, 1).live)
    async for message in pubsub.listen():
        now = time.time()
        if message["type"] != "message" or not message["data"].startswith(b"- "):
            continue
        match decode_entry(None, message["data"][2:]):
            case Entry(Partial(segment, words=words)):
                text = " ".join(word.text for word in words)
                arrived.setdefault((str(segment), text), now)
            case _:
                pass


def latencies(
    arrived: dict[tuple[str, str], float], painted: list[tuple[str, str, float]]
) -> list[float]:
    """Milliseconds from the arrival of each text to the first frame that shows it."""
    shown: dict[tuple[str, str], float] = {}
    for key, text, at in painted:
        shown.setdefault((key.partition("/")[2], text), at)
    return [shown[name] - 1_000 * at for name, at in arrived.items() if name in shown]


async def run(options: argparse.Namespace) -> None:
    """Run the benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-glass-"))
    program = Path(os.environ["TRUNKLINE_TEST_CHROMIUM"]).parent.resolve() / "chromium"
    async with (
        embedded_valkey() as valkey_url,
        api_process(folder, valkey_url) as (_, port),
        gateway_and_worker(valkey_url) as gateway,
        async_playwright() as playwright,
    ):
        redis, over, calls = (
            connect(RedisSettings(url=valkey_url)),
            asyncio.Event(),
            list[GatewayCall](),
        )
        talking = asyncio.create_task(talk(gateway, options.calls, over, into=calls))
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(f"http://127.0.0.1:{port}/calls/{_SHOWN}")
        await page.wait_for_selector(".segment")
        await page.evaluate(_WATCH)
        arrived: dict[tuple[str, str], float] = {}
        noting = asyncio.create_task(note_partials(redis, arrived))
        await asyncio.sleep(options.seconds)
        noting.cancel()
        await asyncio.sleep(1)
        found = latencies(arrived, await page.evaluate("painted"))
        over.set()
        await talking
        await browser.close()
        await redis.aclose()
    report(found, len(arrived), options)


def report(found: list[float], texts: int, options: argparse.Namespace) -> None:
    """Print the percentiles.  `texts`: partials with new words; those overtaken before a frame are not painted."""
    print(f"{options.calls} calls, {options.seconds:.0f} s, load {os.getloadavg()[0]:.1f}")
    print(f"  partials with new words {texts}, painted {len(found)}")
    values = ", ".join(f"p{share} {percentile(found, share / 100):.0f}" for share in (50, 95, 99))
    print(f"  from Redis to the glass in ms: {values}, longest {max(found):.0f}")
    print(f"  within 150 ms: {100 * sum(one <= 150 for one in found) / len(found):.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=10)
    asyncio.run(run(parser.parse_args()))
