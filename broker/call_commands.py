"""Send a command to the gateway that owns a call, and wait for its reply."""

import secrets
from typing import Any

from redis.asyncio import Redis

from protocol.calls.call_commands import Command, CommandRequest, Reply, decode_reply, encode

from .redis_keys import CallKeys

KEEP_SECONDS = 10
"""Seconds after which a reply that is not read expires."""


async def send_command(
    redis: Redis, keys: CallKeys, command: Command, seconds: float
) -> Reply | None:
    """
    Send a command to the owner of a call.

    Returns its reply; None if no gateway has answered within `seconds`.  Raises the errors of redis-py.
    """
    reply_to = f"{keys.partition.tag}:reply:{secrets.token_hex(8)}"
    request = CommandRequest(keys.call_id, reply_to, command)
    await redis.publish(keys.partition.commands, encode(request))
    answer: Any = await redis.blpop([reply_to], timeout=seconds)
    return decode_reply(answer[1]) if answer else None


async def send_reply(redis: Redis, reply_to: str, reply: Reply) -> None:
    """Send the reply to a command."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.rpush(reply_to, encode(reply))
        pipe.expire(reply_to, KEEP_SECONDS)
        await pipe.execute()
