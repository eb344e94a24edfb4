"""Answers of Redis, with the types that they have over a connection of ours: bytes, not text."""

from typing import Any

from redis.asyncio import Redis

Fields = dict[bytes, bytes]
StreamEntry = tuple[bytes, Fields]
"""The id of an entry of a stream, and its fields."""


async def entries_of(redis: Redis, stream: bytes | str) -> list[StreamEntry]:
    """All entries of a stream, oldest first."""
    answer: Any = await redis.xrange(stream)
    entries: list[StreamEntry] = answer
    return entries


async def pending_of(redis: Redis, stream: bytes | str, group: str) -> list[dict[str, Any]]:
    """The claimed entries of a group, oldest first: `consumer` (bytes), `time_since_delivered`, `times_delivered`."""
    answer: Any = await redis.xpending_range(stream, group, "-", "+", 100)
    pending: list[dict[str, Any]] = answer
    return pending


async def dump_of(redis: Redis) -> Fields:
    """Every key with its content: as DUMP gives it, and for a hash, whose fields have no order, the sorted fields."""
    keys: Any = await redis.keys()
    found: Fields = {key: await _content_of(redis, key) for key in keys}
    return found


async def _content_of(redis: Redis, key: bytes) -> bytes:
    if await kind_of(redis, key) != b"hash":
        return await redis.dump(key) or b""
    fields: Any = await redis.hgetall(key)
    return repr(sorted(fields.items())).encode()


async def kind_of(redis: Redis, key: bytes) -> bytes:
    """The type of a key, for example `stream`."""
    answer: Any = await redis.type(key)
    kind: bytes = answer
    return kind


async def worker_report(redis: Redis, key: bytes | str, worker: str) -> bytes:
    """Wait for the capacity that a worker reports, in bytes."""
    while True:
        answer: Any = await redis.hget(key, worker)
        if answer:
            report: bytes = answer
            return report
