"""One pub/sub connection of a process, shared by all log readers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from .log_positions import LogPosition, LogPositions

_CATCH_UP = 5.0


"""
Seconds between checks of all followed calls for what was published and not heard, and before a failed read of a log
is repeated.
"""


_POSITION = b"="


"""Head of a message that says how far the call has come."""


_BACK_OFF = 0.2


"""Seconds before a lost connection is tried again."""


_MOST_NEWS = 512


"""News that may wait for one follower; what is behind comes from the log, partials are gone."""


_ALWAYS = "trunkline:nothing"


"""A channel on which nothing is said: where there is none, redis-py gives up reading."""


_CONFIRMED_SECONDS = 1.0


"""In which Redis confirms a subscription, if it does at all."""


News = asyncio.Queue[bytes]


"""What has been published of one call and not been looked at."""


@dataclass(slots=True)
class _Channel:
    """Who reads of one call; `confirmed` is set when Redis says that we hear of it."""

    meta: str | None
    """Key that says how far the call has come; None for a channel without a log."""

    position: LogPosition | None = None
    """What its readers were told last."""

    readers: set[News] = field(default_factory=set)
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)


class PubSubHub:
    """
    One pub/sub connection of the process, shared by all followers.  `run` keeps it up.

    Only `run` touches the connection: redis-py's may not be used by several while it is made or checked.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._channels: dict[str, _Channel] = {}
        self._changed = asyncio.Event()
        self._confirmed: set[str] = set()
        self._is_up = False
        self._positions = LogPositions(redis)

    async def run(self) -> None:
        """Receive until cancelled; behind a connection that is lost comes another."""
        checking = asyncio.create_task(self._check_repeatedly())
        try:
            await self._keep_receiving()
        finally:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)

    async def _check_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(_CATCH_UP)
            with contextlib.suppress(RedisError, OSError):
                await self.check()

    async def check(self) -> None:
        """
        Tell readers of calls that have come further, whether or not they have heard the news.

        Costs one command for hundreds of calls, and nothing for readers that wait. Raises what redis-py raises.
        """
        followed = {one.meta: one for one in self._channels.values() if one.meta is not None}
        for meta, position in (await self._positions.read(followed)).items():
            channel = followed[meta]
            if position != channel.position:
                channel.position = position
                told = b"%b %d %b" % (_POSITION, position.seq, position.log)
                for news in channel.readers:
                    _offer(news, told)

    async def _keep_receiving(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError, RuntimeError):
                await self._work(self._redis.pubsub())
            await asyncio.sleep(_BACK_OFF)

    async def _work(self, pubsub: PubSub) -> None:
        """Subscribe and receive over one connection, until it breaks."""
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
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _subscribe(self, pubsub: PubSub) -> None:
        """To what is read and to no more, whenever that changes."""
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
        News of a channel while the context lasts, all from its beginning on; none while Redis is away.

        `meta`: key that says how far the call has come; with it, news that were not heard are found out.
        """
        news = News(_MOST_NEWS)
        channel = self._channels.setdefault(name, _Channel(meta))
        channel.readers.add(news)
        self._changed.set()
        try:
            if self._is_up and name not in self._confirmed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CONFIRMED_SECONDS):
                        await channel.confirmed.wait()
            yield news
        finally:
            channel.readers.discard(news)
            if not channel.readers:
                self._channels.pop(name, None)
                self._changed.set()


def _offer(news: News, message: bytes) -> None:
    """Full means that the reader is behind: the oldest goes, and the hole it leaves is filled from the log."""
    if news.full():
        news.get_nowait()
    news.put_nowait(message)
