"""Everything that a Redis server was told, and everything that it holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from support.waiting import PATIENCE


@asynccontextmanager
async def monitored(redis: Redis) -> AsyncIterator[list[str]]:
    """Every command that the server executes while the context lasts, those of scripts too."""
    commands: list[str] = []
    over = asyncio.Event()
    async with redis.monitor() as monitor:

        async def listen() -> None:
            async for command in monitor.listen():
                commands.append(command["command"])
                if "the last command" in command["command"]:
                    over.set()

        task = asyncio.ensure_future(listen())
        yield commands
        await redis.echo("the last command")
        async with asyncio.timeout(PATIENCE):
            await over.wait()
        task.cancel()
        await asyncio.wait({task})


async def everything_in(redis: Redis) -> bytes:
    """All keys and values of the server, uncompressed."""
    await redis.config_set("rdbcompression", "no")
    return b"".join([key + (await redis.dump(key) or b"") async for key in redis.scan_iter("*")])
