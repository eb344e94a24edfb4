"""A call that is over is kept until it is stored.  Real sockets and Valkey, whose memory is lost on purpose."""

import asyncio
from pathlib import Path

import numpy as np
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.ring import calling, gateway, stream
from support.stored import stored_call
from support.valkey import ValkeyServer

from console.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.keys import Partition
from transcripts.recorder import Recorder
from transcripts.store import Store
from workers.queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

PROMPT = Path(__file__).parent / "speech" / "prompts" / "vm-rec-busy.wav"


async def test_a_redis_that_dies_behind_a_call_that_nobody_has_stored_yet_costs_nothing(
    valkey: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    spoken = np.concatenate([read_recording(PROMPT).channels[0], np.zeros(8_000, np.int16)])
    partition = Partition(0)
    worker = Worker(
        WorkQueue(redis, [partition], "worker-1"), [partition], LengthTeller(), WorkerSettings()
    )
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    recorder = Recorder(redis, store, [partition.outbox], "recorder-1")

    async with gateway(redis) as url:
        working = asyncio.ensure_future(worker.run())
        async with calling(url, call_id="c1") as (bridge, heard):
            await stream(bridge, encode(spoken, Encoding.MULAW), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
            await bridge.wait_closed()
        valkey.kill()
        valkey.start()
        recording = asyncio.ensure_future(recorder.run())
        stored = await stored_call(store, "c1")
        for task in (working, recording):
            task.cancel()
        await asyncio.gather(working, recording, return_exceptions=True)
    store.close()

    finals = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    assert {str(one.segment): one.text for one in stored.segments} == finals
    assert len(finals) > 0
