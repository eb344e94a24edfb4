"""
A worker whose engine costs nothing and recites a text, one word for each 0.36 s of audio; as a process of its own.

For benchmarks of pages: partials grow as those of speech do, and finals repeat them.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from broker.connections.connection import connect
from broker.redis_keys import Partition
from protocol.settings import RedisSettings
from runtime.process import consumer_name, run_loop, say_ready, until_told_to_stop
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

_TEXT = (
    "thank you for calling Acme I see your invoice here there was a second delivery in the same month "
    "so I will arrange the refund right away it takes three to five working days and you get an email"
)
_SAMPLES_PER_WORD = 5_760


class Reciter:
    """Recites, however the audio sounds."""

    capabilities = Capabilities("reciter", frozenset({"en"}), keywords=True, max_batch=64)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return the beginning of the text, longer for longer audio."""
        return [Hypothesis(self._words(len(one.samples))) for one in batch]

    def _words(self, samples: int) -> tuple[RecognisedWord, ...]:
        return tuple(map(RecognisedWord, _TEXT.split()[: max(1, samples // _SAMPLES_PER_WORD)]))


async def work() -> None:
    """Work on the queue of the Redis in TRUNKLINE_REDIS_URL until told to stop."""
    redis = connect(RedisSettings(url=os.environ["TRUNKLINE_REDIS_URL"]))
    partitions = [Partition(0)]
    try:
        queue = WorkQueue(redis, partitions, consumer_name())
        await queue.prepare()
        working = Worker(queue, partitions, Reciter(), WorkerSettings()).run()
        asyncio.get_running_loop().call_soon(say_ready, "reciter")
        await until_told_to_stop(working)
    finally:
        await redis.aclose()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    run_loop(work())
