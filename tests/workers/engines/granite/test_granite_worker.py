"""The Granite engine in a worker: finals join between decode steps, through a real Valkey."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_streams import JobStream, working

from protocol.events import Final
from workers.engines.base import Capabilities, Hypothesis, Samples, Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")

from workers.engines.granite import GraniteSettings  # noqa: E402 - needs the optional extra
from workers.engines.granite.engine import GraniteEngine  # noqa: E402
from workers.engines.granite.loading import assemble  # noqa: E402
from workers.engines.granite.settings import Drafts  # noqa: E402

LONG, SHORT = 12.0, 1.0
"""Seconds.  Nothing in the random model's text ends it, so its length is that of the audio."""


class Watched:
    """The engine; after three steps it waits until another utterance has joined."""

    def __init__(self, engine: GraniteEngine) -> None:
        self._engine, self._steps = engine, 0
        self.capabilities: Capabilities = engine.capabilities
        self.running = threading.Event()
        self.admissions: list[int] = []

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        return self._engine.transcribe(batch)

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        self.admissions += [len(one.samples) for one in utterances]
        return self._engine.admit(utterances)

    def step(self) -> list[tuple[int, Hypothesis]]:
        if self._steps == 3:
            self.running.set()
        if self._steps == 3 and len(self.admissions) == 1:
            return []
        self._steps += 1
        return self._engine.step()


@pytest.fixture
def engine(parts: Any) -> GraniteEngine:
    settings = GraniteSettings(
        model="tiny", max_batch=4, drafts=Drafts.NEVER, canary=False, cut_loops=False
    )
    return assemble(parts, settings)


def as_sent(samples: Samples) -> Samples:
    """As it comes out of Redis: 16 bit."""
    return (samples * 32_767).astype("<i2").astype(np.float32) / np.float32(32_768)


async def test_a_short_final_that_joins_a_long_one_is_settled_first_with_the_text_it_has_alone(
    redis: Redis, engine: GraniteEngine
) -> None:
    long, short = tiny_granite.babble(LONG, 1), tiny_granite.babble(SHORT, 2)
    alone = [engine.transcribe([Utterance(as_sent(one))])[0] for one in (short, long)]
    job_stream, watched = JobStream(redis), Watched(engine)
    await job_stream.begin()

    async with working(redis, watched):
        await job_stream.queue(0, long)
        await asyncio.to_thread(watched.running.wait)
        await job_stream.queue(1, short)
        settled = [await job_stream.next_terminal() for _ in range(2)]

    assert [one.segment.channel for one in settled] == [1, 0]
    assert [one.text for one in settled if isinstance(one, Final)] == [one.text for one in alone]
    assert all(one.words for one in alone)


async def test_words_equal_in_two_partials_are_stable(redis: Redis, engine: GraniteEngine) -> None:
    said = tiny_granite.spoken("let go one garden", 2)
    job_stream = JobStream(redis)
    await job_stream.begin()

    async with job_stream.partials() as published, working(redis, engine):
        heard = []
        for _ in range(2):
            await job_stream.ask(0, said)
            heard.append(await anext(published))

    assert [" ".join(word.text for word in one.words) for one in heard] == ["let go one garden"] * 2
    assert [one.stable for one in heard] == [0, 4]  # also the last word, which the worker would not
