"""
A real Asterisk: telephones call it with RTP, it streams to Trunkline, and the words come out right.

`make asterisk-test` sets up Debian's Asterisk and runs these. A call by RTP is never cut at the same sample twice, so
they use prompts whose words are the same at any cut and level: `incorrect` in `agent-incorrect` is `in correct` at some.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from asterisk.exchange import Exchange, exchange
from asterisk.install import Root
from asterisk.tapping import Tapping, tapping
from redis.asyncio import Redis
from support.endpoints import sent_events
from support.pipeline import Listener, pipeline
from support.ports import free_port
from support.prompts import PROMPTS, SPEECH

from cli.recording import read_recording
from protocol.audio import Pcm
from streaming.settings import GatewaySettings
from transcripts.wer import word_errors
from workers.engines.base import Engine

INSTALLED = os.environ.get("TRUNKLINE_TEST_ASTERISK")  # the file that install.py writes last
ROOT = Root(Path(INSTALLED or "./version").resolve().with_name("root"))

pytestmark = pytest.mark.skipif(
    not INSTALLED, reason="needs Debian's Asterisk: `make asterisk-test` sets it up"
)


@dataclass(frozen=True, slots=True)
class Office:
    """An exchange that streams its calls to a gateway."""

    exchange: Exchange
    http: str

    async def call(self, number: str, speech: Pcm) -> Listener:
        """Dial, speak, hang up. Returns all events of the call, read as server-sent events."""
        calling = asyncio.create_task(self.exchange.call(number, speech))
        heard = Listener()
        async for sent in sent_events(f"{self.http}/v1/calls/{number}/events"):
            heard.events.append(sent.event)
        await calling
        return heard


@asynccontextmanager
async def office(redis: Redis, folder: Path, engine: Engine) -> AsyncIterator[Office]:
    http, audiosocket = free_port(), free_port()
    settings = GatewaySettings(http_port=http, audiosocket_port=audiosocket, drain_seconds=0)
    async with pipeline(redis, folder, engine, gateway=settings) as it:
        ports = {"gateway": it.url.rpartition(":")[2], "http": http, "audiosocket": audiosocket}
        async with exchange(ROOT, **ports) as running:
            yield Office(running, f"http://127.0.0.1:{http}")


@pytest.mark.parametrize(
    ("number", "dialect", "role"),
    [
        ("1001", "asterisk", "customer"),  # chan_websocket, events in words
        # chan_websocket, events in JSON, 16 kHz
        pytest.param("2001", "asterisk", "agent", marks=pytest.mark.long),
        ("3001", "audiosocket", "customer"),  # the dialplan application
        # the channel driver, 16 kHz
        pytest.param("4001", "audiosocket", "agent", marks=pytest.mark.long),
    ],
)
async def test_a_telephone_call_is_transcribed(
    redis: Redis, tmp_path: Path, moonshine: Engine, number: str, dialect: str, role: str
) -> None:
    entry = PROMPTS["agent-alreadyon"]
    speech = _speech(entry)

    async with office(redis, tmp_path, moonshine) as it:
        heard = await it.call(number, speech)

    started, ended = heard.events[0], heard.events[-1]
    assert (started["dialect"], started["roles"]) == (dialect, [role])
    assert word_errors(entry["text"], heard.text()).rate <= 0.15, heard.text()
    assert ended["type"] == "call.ended"
    assert ended["duration_ms"] >= len(speech) // 8


async def test_taps_of_both_sides_join_one_call(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    """By Asterisk's REST interface: one stream taps the audio of the caller, another the audio to the caller."""
    customer, agent = PROMPTS["vm-newuser"], PROMPTS["agent-alreadyon"]

    async with office(redis, tmp_path, moonshine) as it:
        told = it.exchange.keep("agent", _speech(agent))
        async with tapping(it.exchange.ari, told) as steps:
            async with asyncio.TaskGroup() as tasks:
                seeing_to_it = tasks.create_task(_see_to_all(steps))
                heard = await it.call("5001", _speech(customer))
                seeing_to_it.cancel()

    assert heard.events[0]["roles"] == ["customer", "agent"]
    assert word_errors(customer["text"], heard.text(0)).rate <= 0.15, heard.text(0)
    assert word_errors(agent["text"], heard.text(1)).rate <= 0.15, heard.text(1)


async def _see_to_all(steps: AsyncIterator[Tapping]) -> None:
    async for _ in steps:
        pass


def _speech(entry: dict[str, str]) -> Pcm:
    return read_recording(SPEECH / entry["file"]).channels[0]


@pytest.mark.long
async def test_calls_at_the_same_time_do_not_touch_each_other(
    redis: Redis, tmp_path: Path, moonshine: Engine
) -> None:
    entries = {
        "1002": PROMPTS["vm-newuser"],
        "2002": PROMPTS["cannot-complete-as-dialed"],
        "3002": PROMPTS["conf-invalid"],
        "4002": PROMPTS["vm-invalid-password"],
    }

    async with office(redis, tmp_path, moonshine) as it:
        heard = await asyncio.gather(
            *(it.call(number, _speech(entry)) for number, entry in entries.items())
        )

    for entry, one in zip(entries.values(), heard, strict=True):
        assert word_errors(entry["text"], one.text()).rate <= 0.15, one.text()
