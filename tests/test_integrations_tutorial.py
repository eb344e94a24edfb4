"""The snippets of the tutorial in docs/integrations.md run, in order, against a pipeline with a call."""

import asyncio
import json
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from support.api import running_api
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.ports import free_port
from support.snippets import snippet
from support.waiting import PATIENCE

from cli.recording import read_recording
from protocol.audio import Encoding, encode
from transcripts.analysis.analyser import Analyser
from transcripts.analysis.chat import ModelClient
from transcripts.analysis.settings import AnalyserSettings
from transcripts.analysis.template import Templates, read_templates
from transcripts.api.settings import ApiSettings
from transcripts.settings import RecorderSettings
from transcripts.store import Store

ROOT = Path(__file__).parent.parent
PAGE = "docs/integrations.md"
TEXT = (ROOT / PAGE).read_text()
BLOCKS = re.findall(r"^```(sh|json|toml)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SHELL = [text for kind, text in BLOCKS if kind == "sh"]


@asynccontextmanager
async def program(
    text: str, folder: Path, **ports: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a snippet of the shell while the context lasts."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", f"exec {text}" if text.startswith("python3") else text,
        cwd=folder, env={"PATH": path, **ports}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def output(text: str, folder: Path, **ports: str) -> Any:
    async with program(text, folder, **ports) as process:
        out, _ = await process.communicate()
        assert process.returncode == 0, text
        return json.loads(out) if out else None


async def listening(port: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", int(port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


@asynccontextmanager
async def analysing(store: Store, settings: AnalyserSettings) -> AsyncIterator[None]:
    analyser = Analyser(store, ModelClient(settings.server), Templates(), settings)
    running = asyncio.ensure_future(analyser.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def demo_call(url: str) -> None:
    recording = read_recording(ROOT / "cli" / "demo" / "call.wav").channels[0][: 8_000 * 12]
    async with calling(url, call_id="first-call") as (bridge, heard):
        await stream(bridge, encode(recording, Encoding.MULAW), frame=160, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")


async def test_the_tutorial_leads_to_a_webhook_with_a_summary(redis: Redis, tmp_path: Path) -> None:
    model, register, receiver, read, again = SHELL
    configured = tomllib.loads(snippet(PAGE, "trunkline.toml"))
    ports = {"MODEL_PORT": str(free_port()), "HOOK_PORT": str(free_port())}
    moved = configured["analyser"]["chat_url"].replace("8090", ports["MODEL_PORT"])
    settings = AnalyserSettings(**configured["analyser"] | {"chat_url": moved, "delay_seconds": 0})
    recorder = RecorderSettings(**configured["recorder"])
    for name in ("model.py", "receiver.py"):
        (tmp_path / name).write_text(snippet(PAGE, name))

    async with (
        pipeline(redis, tmp_path, LengthTeller(), recorder=recorder) as it,
        running_api(
            redis, it.store, ApiSettings(webhook_networks=recorder.webhook_networks)
        ) as api,
        program(model, tmp_path, **ports),
    ):
        await listening(ports["MODEL_PORT"])
        await output(register, tmp_path, API=api.url, **ports)
        async with (
            program(receiver, tmp_path, **ports) as running,
            analysing(it.store, settings),
        ):
            await listening(ports["HOOK_PORT"])
            await demo_call(it.url)
            assert running.stdout is not None
            async with asyncio.timeout(PATIENCE):
                printed = (await running.stdout.readline()).decode()
                item = (await running.stdout.readline()).decode()
            found = await output(read, tmp_path, API=api.url)
            waiting = await output(again, tmp_path, API=api.url)

    result = found["result"]
    assert printed == f"first-call | follow_up | {result['summary']}\n"
    assert item == f"- agent: {result['action_items'][0]['text']}\n"
    assert waiting["state"] == "waiting"
    (shown,) = [json.loads(text) for kind, text in BLOCKS if kind == "json" and "state" in text]
    assert shown.keys() == found.keys()
    assert shown["result"].keys() == result.keys()


def test_the_other_examples_of_the_page_are_valid() -> None:
    examples = [tomllib.loads(text) for kind, text in BLOCKS if kind == "toml"]
    (questions,) = [text for kind, text in BLOCKS if kind == "toml" and "[site]" in text]

    for one in examples:
        AnalyserSettings(**one.get("analyser", {}))
    assert read_templates(questions).of("globex") is not None
    (client,) = [
        json.loads(text)
        for text in re.findall(r"^  ```json\n(.*?)^  ```", TEXT, re.MULTILINE | re.DOTALL)
    ]
    assert client["mcpServers"]["trunkline"]["args"][0] == "mcp"
