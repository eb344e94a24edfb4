"""A listener that follows the events of one call."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from protocol.events import Partial
from protocol.keys import CallKeys
from protocol.wire import Scribe

from .following import Follower, Newsroom, retold
from .log_positions import Standing, look_at

log = structlog.get_logger()


async def reading(
    redis: Redis, newsroom: Newsroom, keys: CallKeys, call_id: str, after: int
) -> tuple[Follower | None, Scribe]:
    """How to read a call behind the `seq` `after`; nothing to follow for who has seen its end."""
    try:
        standing = await look_at(redis, keys)
    except (RedisError, OSError):
        standing = Standing((), 0, None)  # the follower waits until it answers
    is_over = after == standing.ended
    follower = None if is_over else Follower(redis, newsroom, keys, after, standing)
    return follower, Scribe(call_id, standing.roles)


class Subscriber:
    """Public events of a call, from a `seq` on, until it has ended or the listener leaves."""

    def __init__(
        self, socket: ServerConnection, scribe: Scribe, follower: Follower, send_limit: float
    ) -> None:
        """`send_limit`: seconds that the listener may take to read one event."""
        self._socket = socket
        self._scribe = scribe
        self._follower = follower
        self._send_limit = send_limit

    async def run(self) -> None:
        """Send what comes.  One who does not read is cut off, and finds everything in the log next time."""
        leaving = asyncio.create_task(self._socket.wait_closed())
        following = asyncio.create_task(self._follow())
        await asyncio.wait({leaving, following}, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, following):
            task.cancel()
        await asyncio.gather(leaving, following, return_exceptions=True)

    async def _follow(self) -> None:
        async for entry in retold(self._follower):
            if entry is None:
                await self._send(self._scribe.begin_again())
            elif not (isinstance(entry.event, Partial) and self._is_behind()):
                await self._send(self._scribe.write(entry))  # partials first: no final is left out
        await self._socket.close(1000)

    def _is_behind(self) -> bool:
        return self._socket.transport.get_write_buffer_size() > 0

    async def _send(self, message: str) -> None:
        try:
            async with asyncio.timeout(self._send_limit):
                await self._socket.send(message)
        except TimeoutError:
            log.warning("listener_does_not_read")
            self._socket.transport.abort()
            raise ConnectionClosed(None, None) from None
