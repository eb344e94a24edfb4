"""
A store and a Redis filled by the version before are read by this one: `trunkline` was updated during calls.

The files of tests/data/from_43c1ffa were made by that commit, the last one before modules were moved and renamed;
make.py there says how.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.stored import stored_call

from broker.redis_keys import Partition
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from streaming.settings import GatewaySettings
from transcripts.transcript import Transcript
from trunkline import main

TESTS = Path(__file__).parent
BEFORE = TESTS / "data" / "from_43c1ffa"
PROMPTS = sorted((TESTS / "speech" / "prompts").glob("*.wav"))
PAUSE = bytes([255]) * 8_000
AUDIO = b"".join(
    encode(read_recording(path).channels[0], Encoding.MULAW) + PAUSE for path in PROMPTS[:3]
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A live call as its gateway left it. `sent`: bytes of audio that the bridge had sent."""

    token: str
    sent: int
    keys: dict[str, str]

    @classmethod
    def read(cls, name: str) -> "Snapshot":
        return cls(**json.loads((BEFORE / f"{name}.json").read_text()))

    async def restore(self, redis: Redis) -> None:
        for key, dumped in self.keys.items():
            await redis.restore(key, 0, bytes.fromhex(dumped))


def filled_store(folder: Path, name: str) -> str:
    """The store of that moment, where `pipeline` has its own; returns its URL."""
    file = folder / "store.db"
    with sqlite3.connect(file) as store:
        store.executescript((BEFORE / f"{name}.sql").read_text())
    store.close()
    return f"sqlite:///{file}"


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    return capsys.readouterr().out


def outcomes(stored: Transcript) -> list[tuple[str, str, str]]:
    return [(str(one.segment), one.ending.value, one.text) for one in stored.segments]


@pytest.mark.usefixtures("in_utc")
def test_calls_stored_by_the_version_before_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = filled_store(tmp_path, "ended")

    assert shown(capsys, "--store", store) == (
        "2026-11-28 07:08:13     16.3 s  native    failed\n"
        "2026-11-28 07:08:07     16.3 s  native    both-sides\n"
        "2026-11-28 07:08:03     16.3 s  native    whole\n"
    )


WHOLE = """\
[00:00] mixed: 59 tenths
[00:06] mixed: 57 tenths
[00:12] mixed: 33 tenths
"""
BOTH_SIDES = """\
[00:00] agent: 59 tenths
[00:00] customer: 59 tenths
[00:06] agent: 57 tenths
[00:06] customer: 57 tenths
[00:12] agent: 33 tenths
[00:12] customer: 33 tenths
"""
FAILED = """\
[00:00] mixed: (failed: told to fail)
[00:06] mixed: (failed: told to fail)
[00:12] mixed: (failed: told to fail)
"""
SUBTITLES = """\
1
00:00:00,000 --> 00:00:05,900
mixed: 59 tenths

2
00:00:06,280 --> 00:00:11,960
mixed: 57 tenths

3
00:00:12,400 --> 00:00:15,660
mixed: 33 tenths

"""


@pytest.mark.parametrize(
    ("call", "form", "text"),
    [
        ("whole", "txt", WHOLE),
        ("whole", "srt", SUBTITLES),
        ("both-sides", "txt", BOTH_SIDES),
        ("failed", "txt", FAILED),
    ],
)
def test_calls_stored_by_the_version_before_are_shown_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], call: str, form: str, text: str
) -> None:
    store = filled_store(tmp_path, "ended")

    assert shown(capsys, call, "--format", form, "--store", store) == text


async def test_a_bridge_goes_on_with_a_call_that_the_version_before_had_begun(
    redis: Redis, tmp_path: Path
) -> None:
    """Its first segment is in the old store, its second open; the old gateway was alive a moment ago."""
    call = Snapshot.read("half-transcribed")
    filled_store(tmp_path, "half-transcribed")
    await call.restore(redis)
    await redis.zadd(Partition(0).calls, {"half-transcribed": (await redis.time())[0]})

    async with pipeline(redis, tmp_path, LengthTeller()) as it:
        async with calling(it.url, call_id="half-transcribed", token=call.token) as (bridge, heard):
            position = (await heard.until("ready"))["positions"][0]
            await stream(bridge, AUDIO[position:], frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            last = await heard.until("call.ended")
        stored = await stored_call(it.store, "half-transcribed")

    assert 0 < position <= call.sent
    assert (last["reason"], last["segments"], last["duration_ms"]) == ("completed", 4, 16_312)
    assert outcomes(stored) == [
        ("0-0", "final", "59 tenths"),  # by the old worker
        ("0-1", "final", "33 tenths"),  # the part that Redis had; the rest is another segment
        ("0-2", "final", "24 tenths"),
        ("0-3", "final", "33 tenths"),
    ]


async def test_a_call_whose_gateway_was_of_the_version_before_is_brought_to_its_end(
    redis: Redis, tmp_path: Path
) -> None:
    """No worker had taken its first segment, the second was open."""
    await Snapshot.read("waiting").restore(redis)
    filled_store(tmp_path, "waiting")

    soon = GatewaySettings(lost_seconds=6, drain_seconds=0)
    async with pipeline(redis, tmp_path, LengthTeller(), gateway=soon) as it:
        stored = await stored_call(it.store, "waiting")

    assert stored.call.ended_reason == "gateway lost"
    assert outcomes(stored) == [("0-0", "final", "59 tenths"), ("0-1", "final", "34 tenths")]


def test_a_call_that_is_not_finished_is_exported_as_far_as_it_is_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = filled_store(tmp_path, "half-transcribed")

    assert shown(capsys, "half-transcribed", "--format", "txt", "--store", store) == (
        "[00:00] mixed: 59 tenths\n"
    )
