"""Writes of several calls share a round trip, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError
from support.waiting import PATIENCE

from broker.connections.shared_pipeline import Part, SharedPipeline

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


async def test_the_parts_of_all_callers_go_into_one_run_of_their_script(redis: Redis) -> None:
    pipeline = SharedPipeline(redis)
    script = redis.register_script(
        "local all = {}\n"
        "for i, key in ipairs(KEYS) do\n"
        "  all[i] = ARGV[i] == '' and redis.error_reply('WRONGTYPE ' .. key) or redis.call('APPEND', key, ARGV[i])\n"
        "end\n"
        "return all"
    )
    await script(["a"], ["the server has it"])
    await redis.delete("a")
    await redis.config_resetstat()

    answers = await asyncio.gather(
        pipeline.run(setting("c"), [Part(script, ["a"], ["one"]), Part(script, ["a"], ["more"])]),
        pipeline.run(parts=[Part(script, ["b"], [""])]),
        pipeline.run(setting("d"), [Part(script, ["b"], ["two"])]),
        pipeline.run(setting("e")),
        return_exceptions=True,
    )

    assert answers[0] == [3, 7, True]
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == [3, True]
    assert answers[3] == [True]
    stats = await redis.info("commandstats")
    assert sum(one["calls"] for name, one in stats.items() if "eval" in name) == 1


async def test_an_error_of_a_whole_script_goes_to_the_callers_with_a_part_in_it(
    redis: Redis,
) -> None:
    pipeline = SharedPipeline(redis)
    broken = redis.register_script("return redis.call('NO_SUCH_COMMAND')")

    answers = await asyncio.gather(
        pipeline.run(parts=[Part(broken, ["a"], ["one"])]),
        pipeline.run(setting("b"), [Part(broken, ["b"], ["two"])]),
        pipeline.run(setting("c")),
        return_exceptions=True,
    )

    assert [isinstance(one, ResponseError) for one in answers] == [True, True, False]
    assert answers[2] == [True]
