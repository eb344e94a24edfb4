"""After DELETE, the words of a call are in no file, no key and no line of the log."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.answers import kind_of
from support.api import running_api
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, stream
from support.stored import stored_call
from support.waiting import until_it_holds

from cli.recording import read_recording
from protocol.audio import Encoding, encode

PROMPT = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))[0]


JOBS = (b":partials", b":drafts")
"""Parts of the names of job streams, out of which a worker removes the jobs that it took, a moment later."""


async def everything(redis: Redis, but: tuple[bytes, ...] = ()) -> bytes:
    """The content of all keys, except of those with one of `but` in their names."""
    read: dict[bytes, Callable[[bytes], Awaitable[object]]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"stream": redis.xrange,
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"list": lambda key: redis.lrange(key, 0, -1),
    }
    gone = b"none"  # between its name and its content
    found: Any = await redis.keys("*")
    keys = [key for key in found if not any(part in key for part in but)]
    kinds = [(key, kind) for key in keys if (kind := await kind_of(redis, key)) != gone]
    return repr([(key, await read[kind](key)) for key, kind in kinds]).encode()


async def has_no(word: bytes, redis: Redis) -> bool:
    return word not in (await everything(redis)).lower()


async def test_a_deleted_call_leaves_no_word_anywhere(
    redis: Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = encode(
        np.concatenate([read_recording(PROMPT).channels[0], np.zeros(8_000, np.int16)]),
        Encoding.MULAW,
    )
    async with pipeline(redis, tmp_path, LengthTeller()) as it, running_api(redis, it.store) as api:
        for name, word in (("c1", "Rhododendron"), ("c2", "Gladiolus")):
            async with calling(it.url, call_id=name, keywords=[word], metadata={"case": word}) as (
                bridge,
                heard,
            ):
                await stream(bridge, audio, frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
            await stored_call(it.store, name)
        await api.client.get("/v1/calls", params={"q": "rhododendron"})
        before = _in_files(tmp_path, b"rhododendron"), b"Rhododendron" in await everything(redis)

        answer = await api.client.delete("/v1/calls/c1")

        at_once = await everything(redis, but=JOBS)
        await until_it_holds(lambda: has_no(b"rhododendron", redis))
        found = await api.client.get("/v1/calls", params={"q": "gladiolus"})
        gone = await api.client.get("/v1/calls", params={"q": "rhododendron"})
    printed = capsys.readouterr()

    assert (before, answer.status_code) == ((True, True), 204)
    assert not _in_files(tmp_path, b"rhododendron")
    assert b"rhododendron" not in at_once.lower()
    assert "rhododendron" not in (printed.out + printed.err).lower()
    assert [one["call_id"] for one in found.json()["calls"]] == ["c2"]
    assert gone.json()["calls"] == []


def _in_files(folder: Path, word: bytes) -> bool:
    return any(word in one.read_bytes().lower() for one in folder.rglob("*") if one.is_file())
