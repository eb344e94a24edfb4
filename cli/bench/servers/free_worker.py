"""A worker with an engine that takes no time, as a process of its own: what remains is the cost of Trunkline."""

import asyncio
import os
from collections.abc import Sequence

import structlog

from broker.connections.connection import connect
from broker.redis_keys import Partition
from protocol.settings import RedisSettings
from runtime.process import consumer_name, run_loop, say_ready, until_told_to_stop
from workers.engines.base import Capabilities, Engine, Hypothesis, RecognisedWord, Utterance
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker


class FreeEngine:
    """An engine that takes no time."""

    capabilities = Capabilities("free", frozenset({"en"}), max_batch=64)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return one word for each utterance."""
        return [Hypothesis((RecognisedWord("word"),)) for _ in batch]


def run(engine: Engine) -> None:
    """Work on the queue of the Redis in TRUNKLINE_REDIS_URL until told to stop.  Prints no logs."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    run_loop(_work(engine))


async def _work(engine: Engine) -> None:
    redis = connect(RedisSettings(url=os.environ["TRUNKLINE_REDIS_URL"]))
    partitions = [Partition(0)]
    try:
        queue = WorkQueue(redis, partitions, consumer_name())
        await queue.prepare()
        working = Worker(queue, partitions, engine, WorkerSettings()).run()
        asyncio.get_running_loop().call_soon(say_ready, engine.capabilities.name)
        await until_told_to_stop(working)
    finally:
        await redis.aclose()


if __name__ == "__main__":
    run(FreeEngine())
