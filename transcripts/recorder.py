"""
Follows the outbox of every partition and fills the store.

An entry leaves the outbox only when it is stored: a recorder may die at any moment, and whoever comes next
stores the same entries again, which changes nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from protocol.keys import RECORDER
from protocol.wire import WireError, decode_entry

from .store import Recorded, Store

_BATCH = 256
_BLOCK_MS = 1_000
_DEAD_MS = 30_000
"""A recorder that has not settled an entry for so long is dead: somebody else stores it."""

_BACK_OFF = 0.5

log = structlog.get_logger()


class Recorder:
    """Stores what comes through the outboxes.  `run` until cancelled; the batch in hand is finished first."""

    def __init__(self, redis: Redis, store: Store, outboxes: Sequence[str], consumer: str) -> None:
        self._redis = redis
        self._store = store
        self._outboxes = tuple(outboxes)
        self._consumer = consumer

    async def run(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for outbox in self._outboxes:
                tasks.create_task(self._record_all(outbox))

    async def _record_all(self, outbox: str) -> None:
        """After a lost connection begin with what was delivered and never settled."""
        while True:
            try:
                await self._make_group(outbox)
                await self._settle(outbox, await self._read(outbox, "0"))
                while True:
                    await self._settle(outbox, await self._read(outbox, ">"))
                    await self._settle(outbox, await self._orphans(outbox))
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", error=type(exc).__name__)
                await asyncio.sleep(_BACK_OFF)

    async def _make_group(self, outbox: str) -> None:
        with contextlib.suppress(ResponseError):  # it is there
            await self._redis.xgroup_create(outbox, RECORDER, id="0", mkstream=True)

    async def _read(self, outbox: str, after: str) -> list[Any]:
        reply: Any = await self._redis.xreadgroup(
            RECORDER, self._consumer, {outbox: after}, count=_BATCH, block=_BLOCK_MS
        )
        return [entry for _, entries in reply or () for entry in entries]

    async def _orphans(self, outbox: str) -> list[Any]:
        reply: Any = await self._redis.xautoclaim(
            outbox, RECORDER, self._consumer, _DEAD_MS, "0-0", count=_BATCH
        )
        return list(reply[1])

    async def _settle(self, outbox: str, entries: Sequence[Any]) -> None:
        """Store, then let go; a batch that has been begun is finished even if we are told to stop."""
        if entries:
            await asyncio.shield(self._store_and_let_go(outbox, entries))

    async def _store_and_let_go(self, outbox: str, entries: Sequence[Any]) -> None:
        batch = [one for _, fields in entries if fields for one in self._readable(fields)]
        await asyncio.to_thread(self._store.record, batch)
        async with self._redis.pipeline(transaction=True) as pipe:
            ids = [entry_id for entry_id, _ in entries]
            pipe.xack(outbox, RECORDER, *ids)
            pipe.xdel(outbox, *ids)
            await pipe.execute()

    def _readable(self, fields: dict[bytes, bytes]) -> list[Recorded]:
        """What cannot be read was written by another version: it is said, and does not block the rest."""
        call_id = fields[b"c"].decode()
        try:
            return [Recorded(call_id, decode_entry(int(fields[b"s"]), fields[b"e"]))]
        except WireError as exc:
            log.error(
                "entry_unreadable", call_id=call_id, seq=int(fields[b"s"]), error=type(exc).__name__
            )
            return []
