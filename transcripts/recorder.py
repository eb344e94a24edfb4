"""
Follows the outbox of every partition and fills the store.

An entry leaves the outbox only when it is stored: a recorder may die at any moment, and whoever comes next
stores the same entries again, which changes nothing.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from broker.redis_keys import RECORDER

from .ingest import take_in, try_again
from .metrics import RecorderMeter
from .outbox import arrival
from .settings import RecorderSettings
from .store import Store, StoreError, StoreUnavailableError

_DEAD_MS = 2_000
"""
A recorder that has not settled an entry for so long is taken for dead: somebody else stores it.

Storing twice changes nothing; but until it is stored, an entry whose gateway is gone is in Redis only.
"""

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0

_Result = TypeVar("_Result")

log = structlog.get_logger()


def pause(failures: int, chance: float) -> float:
    """
    Seconds to wait after so many failures in a row: a random part (`chance`, 0 to 1) of a doubling time.

    Recorders that lost the same server so do not come back all at once
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, "full jitter").
    """
    return chance * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 10))


class Recorder:
    """
    Stores what comes through the outboxes.

    `redis` answers in bytes and in RESP2, and waits longer for a reply than `settings.block_ms`.
    """

    def __init__(
        self,
        redis: Redis,
        store: Store,
        outboxes: Sequence[str],
        consumer: str,
        settings: RecorderSettings | None = None,
        meter: RecorderMeter | None = None,
    ) -> None:
        self._redis = redis
        self._store = store
        self._outboxes = tuple(outboxes)
        self._consumer = consumer
        self._settings = settings or RecorderSettings()
        self._meter = meter or RecorderMeter()

    async def run(self) -> None:
        """Record until cancelled; the batches in hand are finished first."""
        # One thread: a database file has one writer.
        with ThreadPoolExecutor(1, thread_name_prefix="store") as thread:
            await self._try_quarantine_again(thread)
            async with asyncio.TaskGroup() as tasks:
                for outbox in self._outboxes:
                    tasks.create_task(self._follow(outbox, thread))

    async def _try_quarantine_again(self, thread: ThreadPoolExecutor) -> None:
        """An update of the program may be all that was missing."""
        try:
            released = await _in(thread, lambda: try_again(self._store))
        except StoreError as exc:  # no hurry: the next start will do it
            log.warning("quarantine_not_tried", error=type(exc).__name__)
            return
        if released:
            log.info("quarantine_released", entries=released)

    async def _follow(self, outbox: str, thread: ThreadPoolExecutor) -> None:
        """After every loss begin with what was delivered and never settled."""
        failures = 0
        while True:
            try:
                await self._make_group(outbox)
                while mine := await self._read(outbox, "0"):
                    await self._settle(outbox, mine, thread)
                failures = 0
                while True:
                    await self._settle(outbox, await self._read(outbox, ">"), thread)
                    await self._settle(outbox, await self._orphans(outbox), thread)
            except StoreUnavailableError as exc:
                self._meter.failed()
                log.error("store_unavailable", outbox=outbox, remedy=str(exc))
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", outbox=outbox, error=type(exc).__name__)
            failures += 1
            await asyncio.sleep(pause(failures, random.random()))

    async def _make_group(self, outbox: str) -> None:
        """From the beginning: a Redis that came back empty is being told everything anew."""
        try:
            await self._redis.xgroup_create(outbox, RECORDER, id="0", mkstream=True)
        except ResponseError as exc:
            # It is there; or the server is full, and a gateway has made it.
            is_full = isinstance(exc, OutOfMemoryError)
            if not (is_full or str(exc).startswith("BUSYGROUP")):
                raise

    async def _read(self, outbox: str, after: str) -> list[Any]:
        """Entries behind `after`: `0` for what is ours and not settled, `>` for what is nobody's."""
        reply: Any = await self._redis.xreadgroup(
            RECORDER,
            self._consumer,
            {outbox: after},
            count=self._settings.batch,
            block=self._settings.block_ms,
        )
        return [entry for _, entries in reply or () for entry in entries]

    async def _orphans(self, outbox: str) -> list[Any]:
        reply: Any = await self._redis.xautoclaim(
            outbox, RECORDER, self._consumer, _DEAD_MS, "0-0", count=self._settings.batch
        )
        return list(reply[1])

    async def _settle(
        self, outbox: str, entries: Sequence[Any], thread: ThreadPoolExecutor
    ) -> None:
        """Store, then let go; what has been begun is finished even if we are told to stop."""
        if not entries:
            return
        settling = asyncio.ensure_future(self._store_and_let_go(outbox, entries, thread))
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            with contextlib.suppress(RedisError, OSError, StoreError):  # the next recorder does it
                await settling
            raise

    async def _store_and_let_go(
        self, outbox: str, entries: Sequence[Any], thread: ThreadPoolExecutor
    ) -> None:
        # An entry without fields was deleted between delivery and now.
        arrivals = [arrival(outbox, entry_id, fields) for entry_id, fields in entries if fields]
        began = time.monotonic()
        aside = await _in(thread, lambda: take_in(self._store, arrivals))
        self._meter.stored(len(arrivals), len(aside), time.monotonic() - began)
        for one in aside:
            log.error(
                "entry_quarantined",
                outbox=outbox,
                entry=one.arrival.entry_id,
                call_id=one.arrival.call_id,
                reason=one.reason,
            )
        async with self._redis.pipeline(transaction=True) as pipe:
            ids = [entry_id for entry_id, _ in entries]
            pipe.xack(outbox, RECORDER, *ids)
            pipe.xdel(outbox, *ids)
            await pipe.execute()


async def _in(thread: ThreadPoolExecutor, work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(thread, work)
