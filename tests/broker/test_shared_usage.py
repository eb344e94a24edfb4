"""Limits that count over all gateway processes, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from support.valkey import ValkeyServer

from broker.redis_keys import usage_key
from broker.usage.shared_rate import SharedRate
from broker.usage.shared_usage import LEASE_SECONDS, SharedUsage, Usage

CALLS = Usage("calls", "acme")
KEY = usage_key("calls", "acme")


@asynccontextmanager
async def sharing(*processes: SharedUsage) -> AsyncIterator[None]:
    """Record what the processes count while the context is active."""
    running = [asyncio.ensure_future(one.run()) for one in processes]
    yield
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def use(process: SharedUsage, most: int) -> bool:
    """Claim one and use it."""
    granted = await process.claim(CALLS, most)
    if granted:
        process.add(CALLS, 1)
    return granted


async def test_what_all_processes_use_counts_and_what_one_gives_back_may_be_used(
    redis: Redis,
) -> None:
    first, second = SharedUsage(redis), SharedUsage(redis)
    async with sharing(first, second):
        granted = [await use(one, most=3) for one in (first, second, first, second, first)]
        first.add(CALLS, -1)
        while not await use(second, most=3):
            pass  # the first records its count in a moment

    assert granted == [True, True, True, False, False]


async def test_claims_at_the_same_time_do_not_pass_the_limit(redis: Redis) -> None:
    processes = [SharedUsage(redis) for _ in range(3)]

    granted = await asyncio.gather(*(one.claim(CALLS, 5) for one in processes for _ in range(4)))

    assert sum(granted) == 5


async def test_a_claim_that_is_given_up_is_free_again(redis: Redis) -> None:
    first, second = SharedUsage(redis), SharedUsage(redis)
    async with sharing(first, second):
        assert await first.claim(CALLS, 1)
        assert not await second.claim(CALLS, 1)
        first.give_up(CALLS)
        await first.refresh(CALLS)

        assert await second.claim(CALLS, 1)


async def test_the_share_of_a_process_that_was_killed_lapses(redis: Redis) -> None:
    (now, _) = await redis.time()
    await redis.hset(KEY, "killed long ago", f"7 {now - 1}")
    await redis.hset(KEY, "killed just now", f"2 {now + 60}")
    process = SharedUsage(redis)

    granted = await process.claim(CALLS, 3), await process.claim(CALLS, 3)

    assert granted == (True, False)
    assert process.elsewhere(CALLS) == 2
    assert await redis.hlen(KEY) == 2
    assert 0 < await redis.ttl(KEY) <= LEASE_SECONDS + 1


async def test_without_redis_a_process_keeps_to_its_share(
    redis: Redis, valkey: ValkeyServer
) -> None:
    process, rate = SharedUsage(redis, processes=2), SharedRate(redis, "connects", 0.002, 2)
    valkey.kill()

    granted = [await use(process, most=4) for _ in range(3)]
    waits = [await rate.take("key") for _ in range(2)]

    assert granted == [True, True, False]
    assert waits[0] is None
    assert (waits[1] or 0) > 500


async def test_a_key_has_one_rate_at_all_processes(redis: Redis) -> None:
    first, second = (SharedRate(redis, "connects", 0.01) for _ in range(2))

    waits = [await first.take("key"), await second.take("key"), await second.take("other key")]

    assert waits[0] is None
    assert 0 < (waits[1] or 0) <= 100
    assert waits[2] is None


async def test_portions_of_a_rate_are_no_more_than_the_rate(redis: Redis) -> None:
    processes = [SharedRate(redis, "connects", 100.0, clock=lambda: 0.0) for _ in range(2)]
    key = usage_key("connects", "key")
    await redis.hset(key, mapping={"level": "7.5", "at": "99999999999"})  # no time passes

    waits = [await one.take("key") for _ in range(10) for one in processes]

    assert len([one for one in waits if one is None]) == 7
