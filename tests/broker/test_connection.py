"""Redis clients: which servers they refuse, and that they can be cancelled."""

import pytest
from redis.asyncio import Redis
from support.cancelling import assert_cancelled
from support.valkey import ValkeyServer

from broker.connections.connection import UnusableRedisError, check, connect
from protocol.settings import RedisSettings


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_command_cancelled_at_any_moment_ends(valkey: ValkeyServer, turns: int) -> None:
    """`turns` of the event loop after its beginning, while it connects or waits."""
    redis = connect(RedisSettings(url=valkey.url))

    async def wait_for_ever() -> None:
        while True:
            await redis.xread({"stream": "$"}, block=200)

    await assert_cancelled(wait_for_ever(), turns)
    await redis.aclose()


async def test_a_server_that_keeps_calls_is_accepted(redis: Redis, valkey: ValkeyServer) -> None:
    await check(redis, valkey.url)


async def test_a_server_that_would_drop_calls_is_refused(
    redis: Redis, valkey: ValkeyServer
) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(UnusableRedisError, match="set noeviction"):
        await check(redis, valkey.url)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    url = "redis://operator:secret@127.0.0.1:1/0"
    redis = connect(RedisSettings(url=url))

    with pytest.raises(UnusableRedisError) as refused:
        await check(redis, url)

    assert "127.0.0.1:1/0" in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_a_pipeline_loads_its_scripts_only_where_the_server_lacks_them(redis: Redis) -> None:
    script = redis.register_script("return redis.call('SET', KEYS[1], ARGV[1])")

    async def write(value: str) -> None:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.ping()
            await script(keys=["k"], args=[value], client=pipe)
            assert (await pipe.execute())[-1] == b"OK"

    await redis.script_flush()
    await write("1")
    await redis.config_resetstat()
    await write("2")
    counted = await redis.info("commandstats")

    assert await redis.get("k") == b"2"
    assert counted["cmdstat_evalsha"]["calls"] == 1
    assert not {name for name in counted if name.startswith("cmdstat_script")}
