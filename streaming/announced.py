"""
Calls that sites have announced, because their bridge will have no place to say anything of them.

They stand in Redis, so that a call may come to another gateway than the one it was announced to.
"""

from uuid import UUID

import msgspec
from redis.asyncio import Redis

from protocol.keys import announced

KEEP_SECONDS = 600
"""How long an announced call is waited for."""

Parameters = tuple[tuple[str, str], ...]
"""What a site says of a call: pairs as they might stand in a query string."""


class Announcements:
    """What was said of each call that is to come, by the UUID under which it will come.  Good for one call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, uuid: UUID, parameters: Parameters) -> None:
        """A later one takes the place of an earlier one."""
        await self._redis.set(announced(uuid), msgspec.json.encode(parameters), ex=KEEP_SECONDS)

    async def take(self, uuid: UUID) -> Parameters | None:
        """None for a call that nobody has announced, or that has come already."""
        said = await self._redis.getdel(announced(uuid))
        return None if said is None else msgspec.json.decode(said, type=Parameters)
