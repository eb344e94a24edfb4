"""A worker process whose engine reads spoken digits; for bench/chaos.py."""

import argparse
import sys
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.spoken import WORDS
from bench.spoken_engines import ENGINES, engine_of
from broker.connections.connection import connect
from broker.redis_keys import Partition
from protocol.settings import RedisSettings
from runtime.process import consumer_name, log_as_json, run_loop, until_told_to_stop
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

logger = structlog.get_logger()


async def work(url: str, lease_ms: int, language: str, engine: str, model: Path | None) -> None:
    """Until told to stop."""
    redis = connect(RedisSettings(url=url))
    partitions = [Partition(0)]
    queue = WorkQueue(redis, partitions, consumer_name())
    settings = WorkerSettings(lease_ms=lease_ms)
    loaded = engine_of(engine, language, model)
    logger.info("ready", engine=loaded.capabilities.name)
    worker = Worker(queue, partitions, loaded, settings)
    try:
        await until_told_to_stop(worker.run())
    finally:
        await redis.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--lease-ms", type=int, default=2_000)
    parser.add_argument("--language", default="en", choices=WORDS)
    parser.add_argument("--engine", default="reader", choices=ENGINES)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    log_as_json("worker")
    run_loop(work(options.url, options.lease_ms, options.language, options.engine, options.model))
