"""The engine in a worker process, started from a shell, through a real Valkey."""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_streams import JobStream
from support.shell import ROOT, clean, script
from support.valkey import ValkeyServer

made_moonshine = pytest.importorskip("support.made_moonshine")

from protocol.events import Final  # noqa: E402
from workers.engines.base import Samples, Utterance  # noqa: E402 - needs the optional extra
from workers.engines.moonshine_streaming.loading import load  # noqa: E402
from workers.engines.moonshine_streaming.settings import MoonshineStreamingSettings  # noqa: E402


def as_sent(samples: Samples) -> Samples:
    """As it comes out of Redis: 16 bit."""
    return (samples * 32_767).astype("<i2").astype(np.float32) / np.float32(32_768)


async def test_a_worker_process_answers_partials_and_finals_with_the_engines_texts(
    redis: Redis, valkey: ValkeyServer, fitted: Path, tmp_path: Path
) -> None:
    said = made_moonshine.speech(9.0, 301)
    alone = load(MoonshineStreamingSettings(model=str(fitted)))
    (expected,) = alone.transcribe([Utterance(as_sent(said))])
    job_stream = JobStream(redis)
    await job_stream.begin()
    reader, writer = os.pipe()
    command = (
        f"export TRUNKLINE_REDIS_URL={valkey.url} TRUNKLINE_READY_FD={writer}\n"
        f"export TRUNKLINE_MOONSHINE_STREAMING_MODEL={fitted}\n"
        "trunkline worker --engine moonshine-streaming"
    )

    worker = subprocess.Popen(  # noqa: ASYNC220 - starts at once; the test waits for its pipe
        script(command, tmp_path), env=clean(), cwd=ROOT, pass_fds=(writer,), start_new_session=True
    )
    try:
        os.close(writer)
        with os.fdopen(reader) as ready:
            assert ready.readline()
        async with job_stream.partials() as published:
            await job_stream.ask(0, said[:80_000])
            early = await anext(published)
            await job_stream.queue(1, said)
            final = await job_stream.next_terminal()
    finally:
        os.killpg(worker.pid, signal.SIGTERM)  # the shell and what it started
        worker.wait()

    assert isinstance(final, Final)
    assert final.text == expected.text
    assert expected.words
    assert early.words
