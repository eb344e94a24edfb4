"""
The heartbeat of a gateway: from a thread with a connection of its own, so that it does not wait behind audio.

Other gateways take over the calls of a gateway whose heartbeat stops.  A gateway that is merely busy must go on
beating, and one whose event loop never turns again must not: the thread stops when the loop has not turned for
`limit` seconds.  A stopped process (SIGSTOP) beats no more either, and begins again when it is continued.
"""

import asyncio
import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from redis import Redis as BlockingRedis
from redis.exceptions import RedisError

from broker.scripts import HEARTBEAT

from ..call.ownership import Ownership

_EVERY = 1.0
"""Seconds between two heartbeats."""

_TURN = 0.25
"""Seconds between two looks at the event loop."""

_AT_A_TIME = 128
"""Calls in one script: Redis answers others in between."""

log = structlog.get_logger()


class LoopWatch:
    """When the event loop last turned, by a monotonic clock.  Written by the loop, read by the thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turned = clock()

    @property
    def silent_seconds(self) -> float:
        """How long ago the loop turned."""
        return self._clock() - self._turned

    async def run(self, late: Callable[[float], None]) -> None:
        """Look until cancelled; `late` is told by how many seconds each look came too late."""
        while True:
            due = self._clock() + _TURN
            await asyncio.sleep(_TURN)
            self._turned = self._clock()
            late(max(0.0, self._turned - due))


class Heartbeat:
    """Tells Redis once a second that the owner of some calls lives."""

    def __init__(
        self,
        connect: Callable[[], BlockingRedis],
        owned: Callable[[], Sequence[Ownership]],
        watch: LoopWatch,
        limit: float,
    ) -> None:
        """`owned` is asked in the thread; `limit`: seconds without a turn of the loop after which it is dead."""
        self._connect = connect
        self._owned = owned
        self._watch = watch
        self._limit = limit
        self._stopped = threading.Event()
        self._beaten = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """How long ago Redis last took a heartbeat."""
        return time.monotonic() - self._beaten

    @contextmanager
    def heartbeating(self) -> Iterator[None]:
        """While the context lasts."""
        thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()  # not joined: a Redis that does not answer must not hold up the loop

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with contextlib.closing(self._connect()) as redis:
                    self._heartbeat_loop(redis)
            except Exception as exc:  # noqa: BLE001  # a cluster's errors are no RedisErrors; another try follows
                log.warning("heartbeat_failed", error=type(exc).__name__)
                self._stopped.wait(_EVERY)

    def _heartbeat_loop(self, redis: BlockingRedis) -> None:
        """Over one connection, until told to stop."""
        was_dead = False
        while not self._stopped.wait(_EVERY):
            silent = self._watch.silent_seconds
            is_dead = silent > self._limit
            if is_dead and not was_dead:
                log.error("loop_stands_still", seconds=round(silent, 1))
            was_dead = is_dead
            if not is_dead:
                with contextlib.suppress(RedisError, OSError):  # the next one comes in a second
                    self._heartbeat(redis)

    def _heartbeat(self, redis: BlockingRedis) -> None:
        """One script for each share of a partition's calls; those of other owners by now are left alone."""
        shares: dict[str, list[Ownership]] = defaultdict(list)
        for one in self._owned():
            shares[one.calls].append(one)
        for calls, owned in shares.items():
            for first in range(0, len(owned), _AT_A_TIME):
                share = owned[first : first + _AT_A_TIME]
                keys = [calls, *(one.meta for one in share)]
                said = [text for one in share for text in (one.log, one.owner, one.call_id)]
                redis.eval(HEARTBEAT.source, len(keys), *keys, *said)
        self._beaten = time.monotonic()
