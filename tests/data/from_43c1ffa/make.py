"""
Fill a store and a Redis with the program of commit 43c1ffa, the last one before modules were moved and renamed.

    git worktree add --detach /tmp/before 43c1ffa
    cd /tmp/before && PYTHONPATH=.:tests python REPOSITORY/tests/data/from_43c1ffa/make.py REPOSITORY/tests/data/from_43c1ffa

Writes `*.sql` (the SQLite store as SQL) and `*.json` (Redis: each key as `DUMP` gives it, in hex), of three moments: calls
have ended; a call is half transcribed; a call waits for a worker. In the last two a gateway could have been killed. Runs with the modules of that commit only; `tests/test_older_data.py`
reads the result.
"""

import asyncio
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

import numpy as np
from console.recording import read_recording
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.ring import calling, ring, stream
from support.stored import stored_call
from support.valkey import ValkeyServer

from protocol.audio import Encoding, encode

OUT = Path(sys.argv[1])
PROMPTS = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))
PAUSE = np.zeros(8_000, dtype=np.int16)
SPEECH = [part for path in PROMPTS[:3] for part in (read_recording(path).channels[0], PAUSE)]
AUDIO = encode(np.concatenate(SPEECH), Encoding.MULAW)
UNTIL = 8 * round(0.6 * len(AUDIO) / 8)
STEREO = np.frombuffer(AUDIO, np.uint8).repeat(2).tobytes()


def keep_store(folder: Path, name: str) -> None:
    """The SQLite store as SQL, to be read and compared by people too."""
    with sqlite3.connect(folder / "store.db") as store:
        (OUT / f"{name}.sql").write_text("\n".join(store.iterdump()) + "\n")


async def keep_redis(redis: Redis, name: str, token: str) -> None:
    """All that is in Redis, and the token of the call, which its bridge has."""
    keys = sorted(await redis.keys("*"))
    dumped = {key.decode(): (await redis.dump(key)).hex() for key in keys}
    text = json.dumps({"token": token, "sent": UNTIL, "keys": dumped}, indent=1)
    (OUT / f"{name}.json").write_text(text + "\n")


async def whole_calls(redis: Redis, folder: Path) -> None:
    async with ring(redis, folder, LengthTeller(fault=lambda one: "fails" in one.keywords)) as it:
        for call, audio, more in (
            ("whole", AUDIO, {}),
            ("both-sides", STEREO, {"roles": ["agent", "customer"], "channels": 2}),
            ("failed", AUDIO, {"keywords": ["fails"]}),
        ):
            async with calling(it.url, call_id=call, **more) as (bridge, heard):
                frame = 160 * len(audio) // len(AUDIO)
                await stream(bridge, audio, frame=frame, pace=20)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
            await stored_call(it.store, call)
    keep_store(folder, "ended")


async def live_call(redis: Redis, folder: Path, name: str, engine: LengthTeller | None) -> None:
    async with ring(redis, folder, engine) as it:
        async with calling(it.url, call_id=name, resumable=True) as (bridge, heard):
            ready = await heard.until("ready")
            await stream(bridge, AUDIO[:UNTIL], frame=160, pace=10)
            await heard.until("speech.started", 2)
            if engine is not None:
                await heard.until("segment.final")
            await asyncio.sleep(2)  # the open segment's audio is written
            await keep_redis(redis, name, ready["token"])
            keep_store(folder, name)


async def main() -> None:
    for number, job in enumerate((
        whole_calls,
        lambda redis, folder: live_call(redis, folder, "half-transcribed", LengthTeller()),
        lambda redis, folder: live_call(redis, folder, "waiting", None),
    )):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            with ValkeyServer(Path(folder) / f"{number}.sock") as server:
                redis = Redis.from_url(server.url)
                await job(redis, Path(folder))
                await redis.aclose()


asyncio.run(main())
