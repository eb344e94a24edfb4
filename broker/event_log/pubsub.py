"""The pub/sub connection of a process, shared by all log readers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from ..connections.cancellable import raise_if_cancelled
from ..time_limits import TimeLimit
from .log_positions import LogPosition, LogPositions

CATCH_UP = 5.0
"""
Seconds between checks of all followed calls for messages that were missed, and before a failed read of a log is
repeated.
"""

POSITION = b"="
"""First word of a message with the position of a log: its last seq and its name."""

_BACK_OFF = 0.2
"""Seconds before the hub reconnects."""

_MOST_NEWS = 512
"""Messages that wait for one reader. It reads events that no longer fit from the log; such partials are lost."""

_ALWAYS = "trunkline:nothing"
"""A channel without messages: redis-py stops reading if no channel is subscribed."""

_CONFIRMED_SECONDS = 1.0
"""Longest wait for the confirmation of a subscription, in seconds."""

News = asyncio.Queue[bytes]
"""Messages of one call that its reader has not processed yet."""


@dataclass(slots=True)
class _Channel:
    """The readers of one channel; `confirmed` is set once Redis has confirmed the subscription."""

    meta: str | None
    """The `meta` key of the call; None for a channel without a log."""

    position: LogPosition | None = None
    """The last position that was sent to the readers."""

    readers: set[News] = field(default_factory=set)
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)


class PubSubHub:
    """
    The pub/sub connection of the process, shared by all log readers. `run` maintains it.

    Only `run` uses the connection: several tasks must not use a connection of redis-py while it connects or is
    checked.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._channels: dict[str, _Channel] = {}
        self._changed = asyncio.Event()
        self._confirmed: set[str] = set()
        self._is_up = False
        self._positions = LogPositions(redis)

    async def run(self) -> None:
        """Receive until cancelled; reconnects if the connection is lost."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_repeatedly())
            tasks.create_task(self._keep_receiving())

    async def _check_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(CATCH_UP)
            with contextlib.suppress(RedisError, OSError):
                await self.check()

    async def check(self) -> None:
        """
        Send the position of each log that has grown to its readers, so that they notice missed messages.

        Costs one command for hundreds of calls. Raises the errors of redis-py.
        """
        followed = {one.meta: one for one in self._channels.values() if one.meta is not None}
        for meta, position in (await self._positions.read(followed)).items():
            channel = followed[meta]
            if position != channel.position:
                channel.position = position
                message = b"%b %d %b" % (POSITION, position.seq, position.log)
                for news in channel.readers:
                    _offer(news, message)

    async def _keep_receiving(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError, RuntimeError):
                await self._work(self._redis.pubsub())
            raise_if_cancelled()
            await asyncio.sleep(_BACK_OFF)

    async def _work(self, pubsub: PubSub) -> None:
        """Subscribe and receive over one connection until it fails."""
        tasks: list[asyncio.Task[None]] = []
        try:
            await pubsub.subscribe(_ALWAYS)
            self._is_up = True
            tasks += map(asyncio.create_task, (self._subscribe(pubsub), self._receive(pubsub)))
            await asyncio.gather(*tasks)
        finally:
            self._is_up = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._confirmed.clear()
            await pubsub.aclose()

    async def _subscribe(self, pubsub: PubSub) -> None:
        """Keep the subscriptions equal to the channels that have readers."""
        there: set[str] = set()
        while True:
            self._changed.clear()
            wanted = set(self._channels)
            if gone := there - wanted:
                self._confirmed -= gone
                await pubsub.unsubscribe(*gone)
            if new := wanted - there:
                await pubsub.subscribe(*new)
            there = wanted
            await self._changed.wait()

    async def _receive(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(timeout=1.0)
            if message is None:
                continue
            name = message["channel"].decode()
            channel = self._channels.get(name, _Channel(None))
            if message["type"] == "subscribe":
                self._confirmed.add(name)
                channel.confirmed.set()
            elif message["type"] == "message":
                for news in channel.readers:
                    _offer(news, message["data"])

    @asynccontextmanager
    async def listen(self, name: str, meta: str | None = None) -> AsyncIterator[News]:
        """
        Messages of a channel while the context lasts. None arrive while Redis is unreachable.

        `meta`: the `meta` key of the call. With it, the hub detects missed messages (see `check`).
        """
        news = News(_MOST_NEWS)
        channel = self._channels.setdefault(name, _Channel(meta))
        channel.readers.add(news)
        self._changed.set()
        try:
            if self._is_up and name not in self._confirmed:
                with contextlib.suppress(TimeoutError):
                    async with TimeLimit(_CONFIRMED_SECONDS):
                        await channel.confirmed.wait()
            yield news
        finally:
            channel.readers.discard(news)
            if not channel.readers:
                self._channels.pop(name, None)
                self._changed.set()


def _offer(news: News, message: bytes) -> None:
    """Queue a message. If the queue is full, the oldest is dropped: the reader fills the gap from the log."""
    if news.full():
        news.get_nowait()
    news.put_nowait(message)
