"""The snippets of docs/api.md run, in order, against a pipeline with a call as the tutorial makes it."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from support.api import running_api
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.stored import stored_call

from cli.recording import read_recording
from protocol.audio import Encoding, encode

ROOT = Path(__file__).parent.parent
SNIPPET = re.compile(r"^```(sh|python|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def snippets() -> list[tuple[str, str]]:
    return SNIPPET.findall((ROOT / "docs" / "api.md").read_text())


async def run(kind: str, text: str, api: str) -> str:
    program = ["bash", "-euo", "pipefail", "-c"] if kind == "sh" else [sys.executable, "-c"]
    process = await asyncio.create_subprocess_exec(
        *program,
        text,
        env={"API": api, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, f"{text}\n{error.decode()}"
    return out.decode()


async def test_every_snippet_of_the_tutorial_runs(redis: Redis, tmp_path: Path) -> None:
    recording = read_recording(ROOT / "cli" / "demo" / "call.wav").channels[0][: 8_000 * 12]
    audio = encode(recording, Encoding.MULAW)
    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="first-call", keywords=["calling"]) as (bridge, heard):
            await stream(bridge, audio, frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        await stored_call(it.store, "first-call")
        async with running_api(redis, it.store) as api:
            said: list[Any] = [
                json.loads(text) if kind == "json" else await run(kind, text, api.url)
                for kind, text in snippets()
            ]

    listed, hit, exported, changed = said[:4]
    assert "first-call" in listed
    assert hit["excerpt"][slice(*hit["marks"][0])] == "calling"
    assert "WEBVTT" in exported
    assert '"tags":["invoice"]' in changed
