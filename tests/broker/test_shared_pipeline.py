"""Writes of several calls share a round trip, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError
from support.waiting import PATIENCE

from broker.connections.shared_pipeline import SharedPipeline

Add = Callable[[Pipeline], Awaitable[None]]


def setting(*names: str, value: str = "1") -> Add:
    async def add(pipe: Pipeline) -> None:
        for name in names:
            pipe.set(name, value)

    return add


async def failing(pipe: Pipeline) -> None:
    pipe.lpush("a", "x")


async def test_callers_of_one_turn_get_their_own_answers_from_one_round_trip(redis: Redis) -> None:
    pipeline = SharedPipeline(redis)
    await redis.set("a", "1")
    await redis.config_resetstat()

    answers = await asyncio.gather(
        pipeline.run(setting("a", "b")),
        pipeline.run(failing),
        pipeline.run(setting("c")),
        return_exceptions=True,
    )

    assert answers[0] == [True, True]
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == [True]
    assert (await redis.info("commandstats"))["cmdstat_set"]["calls"] == 3


async def test_more_callers_than_fit_into_one_round_trip_are_all_answered(redis: Redis) -> None:
    pipeline = SharedPipeline(redis)

    answers = await asyncio.gather(*(pipeline.run(setting(f"k{n}")) for n in range(100)))

    assert answers == [[True]] * 100


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_caller_keeps_no_other_waiting(redis: Redis, turns: int) -> None:
    """Also the one that sends for all: the others get an answer, or an error after which they repeat."""
    pipeline = SharedPipeline(redis)
    first = asyncio.ensure_future(pipeline.run(setting("a")))
    others = [asyncio.ensure_future(pipeline.run(setting(f"k{n}"))) for n in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)

    first.cancel()

    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*others, return_exceptions=True)
    assert all(one == [True] or isinstance(one, RedisError) for one in outcomes)
    assert await pipeline.run(setting("again")) == [True]
