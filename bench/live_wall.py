"""
The supervisor's page with 50 live calls in Chromium: dropped messages, memory, and the work of the main thread.

    TRUNKLINE_TEST_CHROMIUM=.venv/chromium/version python bench/live_wall.py [--seconds 600] [--calls 50]

The calls are synthetic (`synthetic_calls.py`); Valkey, the API process and the page are real.  A call sends two
partials a second while somebody speaks.  Every ten seconds the page is measured after a garbage collection, by the
Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/tot/Performance/#method-getMetrics).
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.async_api import CDPSession, Page, async_playwright
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.synthetic_calls import SyntheticCall, talk
from broker.connections.connection import connect
from cli.bench.servers.server_process import cpu_seconds, server_process
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey

_ROOT = Path(__file__).resolve().parent.parent
_EVERY_SECONDS = 10.0
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--enable-precise-memory-info",
)


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
    page: Page, devtools: CDPSession, api: int, began: float, calls: list[SyntheticCall]
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
        missing,
    )


async def watch(
    url: str, api: int, seconds: float, calls: list[SyntheticCall], view: str
) -> list[Sample]:
    """Open the page for `seconds`.  Returns the samples."""
    program = Path(os.environ["TRUNKLINE_TEST_CHROMIUM"]).parent.resolve() / "chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto(f"{url}/?view={view}")
        await page.wait_for_selector(".tile, table.live tbody tr")
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        await asyncio.sleep(5)
        began, samples = time.monotonic(), list[Sample]()
        while not samples or samples[-1].at < seconds:
            samples.append(await sample(page, devtools, api, began, calls))
            await asyncio.sleep(_EVERY_SECONDS)
        await browser.close()
    return samples


def report(samples: list[Sample], calls: list[SyntheticCall], view: str) -> None:
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


async def run(options: argparse.Namespace) -> None:
    """Run the benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-wall-"))
    async with embedded_valkey() as valkey_url:
        redis: Redis = connect(RedisSettings(url=valkey_url))
        async with api_process(folder, valkey_url) as (process, port):
            over, calls = asyncio.Event(), list[SyntheticCall]()
            talking = asyncio.create_task(talk(redis, options.calls, over, into=calls))
            await asyncio.sleep(5)
            samples = await watch(
                f"http://127.0.0.1:{port}", process, options.seconds, calls, options.view
            )
            over.set()
            await talking
        await redis.aclose()
    report(samples, calls, options.view)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--view", choices=["wall", "table"], default="wall")
    asyncio.run(run(parser.parse_args()))
