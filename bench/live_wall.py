"""
The supervisor's page with 50 live calls in Chromium: dropped messages, memory, and the work of the main thread.

    export TRUNKLINE_TEST_CHROMIUM=.venv/chromium/version
    python bench/live_wall.py [--seconds 600] [--calls 50] [--gateway]

Valkey, the API process and the page are real.  With `--gateway` the calls are too: audio of the demo call through a
gateway and a worker whose engine costs nothing (`gateway_calls.py`).  Without it their events are made up
(`synthetic_calls.py`), two partials a second while somebody speaks.  Every ten seconds the page is measured after a
garbage collection, by the Chrome DevTools Protocol
(https://chromedevtools.github.io/devtools-protocol/tot/Performance/#method-getMetrics).
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from playwright.async_api import CDPSession, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeoutError
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import gateway_calls, synthetic_calls
from broker.connections.connection import connect
from cli.bench.servers.server_process import cpu_seconds, server_process
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey

_ROOT = Path(__file__).resolve().parent.parent
_EVERY_SECONDS = 10.0
_BEGIN_MS = 60_000.0
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--enable-precise-memory-info",
)


class Talker(Protocol):
    """A call in progress, with what it has sent."""

    call_id: str
    finals: int
    partials: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.  Times in seconds since the start of the measurement; memory in bytes."""

    at: float
    heap: float
    nodes: int
    task: float
    """Time that the main thread has spent in tasks."""

    script: float
    layout: float
    api: float
    """CPU time of the API process."""

    messages: int
    dropped: int
    shown: int
    """Calls in progress that the page knows."""

    missing: int
    """Calls whose finals on the page are not those that were sent."""


@contextlib.asynccontextmanager
async def api_process(folder: Path, valkey_url: str) -> AsyncIterator[tuple[int, int]]:
    """Run `trunkline api` as a process; yields its process id and port."""
    environment = {
        "TRUNKLINE_REDIS_URL": valkey_url,
        "TRUNKLINE_API_STORE": f"sqlite:///{folder / 'store.db'}",
    }
    command = "-m", "trunkline", "api", "--port", "0"
    async with server_process(*command, environment=environment, tree=_ROOT) as running:
        yield running.pid, running.port


async def sample(
    page: Page, devtools: CDPSession, api: int, began: float, calls: list[Talker]
) -> Sample:
    """Measure the page and the API process."""
    await devtools.send("HeapProfiler.collectGarbage")
    found = await devtools.send("Performance.getMetrics")
    values = {one["name"]: one["value"] for one in found["metrics"]}
    sent = {call.call_id: call.finals for call in calls}
    messages, dropped, finals = await page.evaluate(
        "[trunklineLive.messages, trunklineLive.dropped,"
        " Object.fromEntries([...trunklineLive.calls.values()].map((row) => [row.call_id, row.finals]))]"
    )
    missing = sum(finals.get(name, 0) < number for name, number in sent.items())
    return Sample(
        time.monotonic() - began,
        values["JSHeapUsedSize"],
        int(values["Nodes"]),
        values["TaskDuration"],
        values["ScriptDuration"],
        values["LayoutDuration"] + values["RecalcStyleDuration"],
        cpu_seconds(api),
        messages,
        dropped,
        len(finals),
        missing,
    )


async def watch(url: str, api: int, seconds: float, calls: list[Talker], view: str) -> list[Sample]:
    """Open the page for `seconds`.  Returns the samples."""
    program = Path(os.environ["TRUNKLINE_TEST_CHROMIUM"]).parent.resolve() / "chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto(f"{url}/?view={view}")
        await page.wait_for_selector(".tile, table.live tbody tr")
        with contextlib.suppress(PlaywrightTimeoutError):  # a busy gateway takes calls as it can
            known = "(count) => trunklineLive.calls.size >= count"
            await page.wait_for_function(known, arg=len(calls), timeout=_BEGIN_MS)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        await asyncio.sleep(5)
        began, samples = time.monotonic(), list[Sample]()
        while not samples or samples[-1].at < seconds:
            samples.append(await sample(page, devtools, api, began, calls))
            await asyncio.sleep(_EVERY_SECONDS)
        await browser.close()
    return samples


def report(samples: list[Sample], calls: list[Talker], view: str) -> None:
    """Print what the samples say."""
    first, last = samples[0], samples[-1]
    seconds = last.at - first.at
    third = max(1, len(samples) // 3)
    early, late = (median(one.heap for one in part) for part in (samples[:third], samples[-third:]))
    print(f"{len(calls)} calls, view {view}, {seconds:.0f} s")
    print(f"  messages {last.messages - first.messages}, dropped {last.dropped}")
    print(
        f"  partials sent {sum(call.partials for call in calls)}, finals {sum(call.finals for call in calls)}"
    )
    print(f"  calls on the page, at least {min(one.shown for one in samples)}")
    print(
        f"  calls with finals not yet on the page, at most: {max(one.missing for one in samples)}"
    )
    print(
        f"  JS heap after collection: first third {early / 1e6:.2f} MB, last third {late / 1e6:.2f} MB"
    )
    print(f"  DOM nodes: {first.nodes} to {last.nodes}")
    print(f"  main thread: {100 * (last.task - first.task) / seconds:.1f} % of one core"
          f" (script {100 * (last.script - first.script) / seconds:.1f} %,"
          f" style and layout {100 * (last.layout - first.layout) / seconds:.1f} %)")  # fmt: skip
    print(f"  API process: {100 * (last.api - first.api) / seconds:.1f} % of one core")


@contextlib.asynccontextmanager
async def calls_in_progress(
    valkey_url: str, options: argparse.Namespace
) -> AsyncIterator[list[Talker]]:
    """Run the calls.  Yields them; the list grows while they begin."""
    over, calls = asyncio.Event(), list[Any]()
    play: Coroutine[Any, Any, object]
    async with contextlib.AsyncExitStack() as stack:
        if options.gateway:
            url = await stack.enter_async_context(gateway_calls.gateway_and_worker(valkey_url))
            play = gateway_calls.talk(url, options.calls, over, into=calls)
        else:
            redis: Redis = connect(RedisSettings(url=valkey_url))
            stack.push_async_callback(redis.aclose)
            play = synthetic_calls.talk(redis, options.calls, over, into=calls)
        talking = asyncio.create_task(play)
        await asyncio.sleep(5 + 0.1 * options.calls)
        yield calls
        over.set()
        await talking


async def run(options: argparse.Namespace) -> None:
    """Run the benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-wall-"))
    async with (
        embedded_valkey() as valkey_url,
        api_process(folder, valkey_url) as (process, port),
        calls_in_progress(valkey_url, options) as calls,
    ):
        url = f"http://127.0.0.1:{port}"
        samples = await watch(url, process, options.seconds, calls, options.view)
    report(samples, calls, options.view)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--view", choices=["wall", "table"], default="wall")
    parser.add_argument("--gateway", action="store_true", help="real calls through a gateway")
    asyncio.run(run(parser.parse_args()))
