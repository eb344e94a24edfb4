"""
Follows the event logs of all calls in progress that are wanted, over the process's one pub/sub connection.

A call is discovered by the heartbeat of its gateway, and followed from the start of its log to `call.ended`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.event_log.log_positions import read_log_status
from broker.event_log.log_reader import LogReader, read_across_logs
from broker.event_log.pubsub import PubSubHub
from broker.queries import server_time
from broker.redis_keys import CallKeys, Partition, names_in
from broker.time_limits import TimeLimit
from protocol.events import Entry

from .board import Board
from .call_state import LiveCallState

MOST_CALLS = 2_000
"""Most calls that one API process follows.  Further ones are not seen until others end."""

DISCOVER_SECONDS = 1.0
_SILENT_SECONDS = 60.0
"""A call without a heartbeat for this time is not in progress."""

_LINGER_SECONDS = 10.0
"""Time for which an ended call is still shown."""

_PEOPLE_EVERY = 5
"""Discoveries between two reads of agent and tags from the store."""

logger = structlog.get_logger()


class Observer(Protocol):
    """Gets the events of followed calls."""

    def observe(self, call_id: str, entry: Entry, *, is_current: bool) -> None:
        """Take an event.  `is_current`: the whole log up to this event has been observed."""
        ...

    def forget(self, call_id: str) -> None:
        """The call is over, or its log was replaced by another one."""
        ...

    def tick(self, now: float) -> None:
        """A second has passed.  `now`: Unix seconds by the clock of Redis."""
        ...


People = Callable[[list[str]], Any]
"""Returns an awaitable of agent and tags of stored calls, by filed id."""


class CallFollower:
    """Keeps `board` up to date."""

    def __init__(
        self,
        redis: Redis,
        pubsub_hub: PubSubHub,
        partitions: int,
        people: People,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.board = Board()
        self._redis = redis
        self._pubsub_hub = pubsub_hub
        self._partitions = partitions
        self._people = people
        self._observers = tuple(observers)
        self._following: dict[str, asyncio.Task[None]] = {}
        self._catching_up: set[str] = set()
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._is_full = False
        self.wanted: Callable[[str], bool] = lambda _: False
        """Returns whether a call (filed id) is to be followed."""

        self.is_wanted: Callable[[], bool] = lambda: False
        """Returns whether any call is to be followed."""

    def look(self) -> None:
        """Discover calls now: there is a new reader."""
        self._wake.set()

    async def settle(self, seconds: float) -> None:
        """Discover calls now, and wait until the logs of all are read; at most `seconds`."""
        self._settled.clear()
        self.look()
        with contextlib.suppress(TimeoutError):
            async with TimeLimit(seconds):
                await self._settled.wait()

    def _note_if_settled(self) -> None:
        if not self._catching_up:
            self._settled.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        round_ = 0
        try:
            while True:
                if self.is_wanted() or self._following:
                    await self._discover_safely(round_)
                    round_ += 1
                with contextlib.suppress(TimeoutError):
                    async with TimeLimit(DISCOVER_SECONDS if self.is_wanted() else None):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            for task in self._following.values():
                task.cancel()
            await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def _discover_safely(self, round_: int) -> None:
        try:
            await self._discover()
            if round_ % _PEOPLE_EVERY == 0 and self.board.states:
                await self._describe()
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
        except Exception as exc:  # noqa: BLE001  # the view must not stand still
            logger.error("calls_not_discovered", error=type(exc).__name__)

    async def _discover(self) -> None:
        now = await server_time(self._redis)
        there = set[str]()
        for number in range(self._partitions):
            found: Any = await self._redis.zrangebyscore(
                Partition(number).calls, now - _SILENT_SECONDS, "+inf", start=0, num=MOST_CALLS
            )
            there.update(names_in(found))
        wanted = {name for name in there if self.wanted(name)}
        for name in [one for one in self._following if one not in wanted]:
            if self._is_over(name, there):
                self._stop(name)
        for name in wanted - self._following.keys():
            self._start(name)
        for observer in self._observers:
            observer.tick(now)
        self._note_if_settled()

    def _is_over(self, name: str, there: set[str]) -> bool:
        """Whether to stop following: nobody wants it, or its heartbeat has stopped; an ended one lingers."""
        state = self.board.states.get(name)
        lingers = state is not None and state.ended is not None
        return not self.wanted(name) or (name not in there and not lingers)

    def _start(self, name: str) -> None:
        if len(self._following) >= MOST_CALLS:
            if not self._is_full:
                logger.warning("calls_not_followed", entries=MOST_CALLS)
            self._is_full = True
            return
        self._is_full = False
        self._catching_up.add(name)
        self._following[name] = asyncio.create_task(self._follow(name))

    def _stop(self, name: str) -> None:
        self._following.pop(name).cancel()
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.board.remove(name)
        for observer in self._observers:
            observer.forget(name)

    async def _follow(self, name: str) -> None:
        keys = CallKeys.of(name, self._partitions)
        try:
            status = await read_log_status(self._redis, keys)
            if status.ended is None:
                await self._read(
                    name, LogReader(self._redis, self._pubsub_hub, keys, 0), status.last
                )
                await asyncio.sleep(_LINGER_SECONDS)
        except (RedisError, OSError) as exc:  # discovered again
            logger.warning("redis_unavailable", error=type(exc).__name__)
        except Exception as exc:  # noqa: BLE001  # of one call; it is discovered again
            logger.error("call_not_followed", call_id=name, error=type(exc).__name__)
        finally:
            self._caught_up(name)
            if self._following.get(name) is asyncio.current_task():
                del self._following[name]
                self._forget(name)

    def _caught_up(self, name: str) -> None:
        if name in self._catching_up:
            self._catching_up.discard(name)
            self._note_if_settled()

    async def _read(self, name: str, log_reader: LogReader, last: int) -> None:
        """Apply the entries of a call's log.  `last`: the seq at which it was when the reading began."""
        state = LiveCallState(name)
        self.board.put(state)
        async for entry in read_across_logs(log_reader):
            if entry is None:
                last, state = 0, state.begin_again()
                self.board.put(state)
                for observer in self._observers:
                    observer.forget(name)
                continue
            state.feed(entry)
            is_current = log_reader.seq >= last
            if is_current:
                self._caught_up(name)
            for observer in self._observers:
                observer.observe(name, entry, is_current=is_current)

    async def _describe(self) -> None:
        """Read agent and tags from the store; without the store, calls are shown without them."""
        names = list(self.board.states)
        for name, (agent, tags) in (await self._people(names)).items():
            if state := self.board.states.get(name):
                state.describe(agent, tags)
