"""
Read the outbox of every partition and fill the store.

An entry is deleted from the outbox only after it is stored.  If a recorder dies, another stores the same entries
again; storing is idempotent.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.outgoing.http_client import OutgoingHttp
from broker.redis_keys import RECORDER, parse_entry_id
from broker.redis_scripts.leases import JOIN
from protocol.operator_error import OperatorError

from .ingest import take_in, try_again
from .metrics import RecorderMeter
from .outbox import arrival
from .settings import RecorderSettings
from .store import Store, StoreError, StoreUnavailableError
from .webhooks.meter import WebhookMeter
from .webhooks.sender import WebhookSender

if TYPE_CHECKING:
    from .kept_audio.finishing import AudioFinisher

_DEAD_MS = 2_000
"""
Milliseconds after which an entry that a recorder has not acknowledged is claimed by another recorder.

Short, because storing is idempotent, and because an unstored entry is only in Redis if its gateway is gone.
"""

_EXPIRE_SECONDS = 300.0
"""Seconds between two searches for expired calls."""

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0

_END = object()

_Result = TypeVar("_Result")

logger = structlog.get_logger()


def pause(failures: int, chance: float) -> float:
    """
    Return the seconds to wait after `failures` in a row: exponential backoff times `chance` (random, 0 to 1).

    The jitter keeps recorders that lost the same server from reconnecting at the same time
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, "full jitter").
    """
    return chance * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 10))


class Recorder:
    """
    Store the entries of the outboxes.

    `redis` must return bytes and use RESP2, with a reply timeout longer than `settings.block_ms`.
    """

    def __init__(
        self,
        redis: Redis,
        store: Store,
        outboxes: Sequence[str],
        consumer: str,
        settings: RecorderSettings | None = None,
        meter: RecorderMeter | None = None,
        webhook_meter: WebhookMeter | None = None,
    ) -> None:
        self._redis = redis
        self._store = store
        self._outboxes = tuple(outboxes)
        self._consumer = consumer
        self._join = redis.register_script(JOIN.source)
        self._settings = settings or RecorderSettings()
        self._meter = meter or RecorderMeter()
        self._finisher = _finisher(store, self._settings)
        self._webhook_meter = webhook_meter or WebhookMeter()

    async def run(self) -> None:
        """Record until cancelled.  Batches that have been read are stored first."""
        # One thread: a database file has one writer.
        with ThreadPoolExecutor(1, thread_name_prefix="store") as thread:
            await self._try_quarantine_again(thread)
            async with asyncio.TaskGroup() as tasks:
                for outbox in self._outboxes:
                    tasks.create_task(self._follow(outbox, thread))
                tasks.create_task(self._erase_repeatedly(thread))
                if self._finisher is not None:
                    tasks.create_task(self._finish_audio_repeatedly(self._finisher))
                tasks.create_task(self._send_webhooks(thread))
                if self._settings.retention.is_set:
                    tasks.create_task(self._expire_repeatedly(thread))

    async def _send_webhooks(self, thread: ThreadPoolExecutor) -> None:
        settings = self._settings
        sender = WebhookSender(
            self._store.webhooks,
            OutgoingHttp(settings.webhook_destinations),
            partial(_in, thread),
            settings.webhook_days,
            settings.webhook_disable_days,
            self._webhook_meter,
        )
        while True:
            try:
                await sender.run()
            except Exception as exc:  # noqa: BLE001  # calls must be stored, whatever fails here
                logger.error("webhook_sender_error", error=type(exc).__name__)
                await asyncio.sleep(_LONGEST_PAUSE)

    async def _erase_repeatedly(self, thread: ThreadPoolExecutor) -> None:
        """Erase what deleted calls and revised segments have left in the database, also before a restart."""
        while True:
            try:
                step = partial(next, self._store.erasing(), _END)
                while await _in(thread, step) is not _END:
                    pass  # batches are stored between two steps
            except StoreError as exc:
                self._meter.failed()
                logger.error("store_unavailable", remedy=str(exc))
            await asyncio.sleep(self._settings.erase_seconds)

    async def _finish_audio_repeatedly(self, finisher: "AudioFinisher") -> None:
        """Make the files of kept audio, in a thread of their own: one call takes seconds."""
        swept = -_EXPIRE_SECONDS
        with ThreadPoolExecutor(1, thread_name_prefix="audio") as thread:
            while True:
                try:
                    self._meter.finished_audio(await _in(thread, finisher.run))
                    if time.monotonic() - swept >= _EXPIRE_SECONDS:
                        swept = time.monotonic()
                        await _in(thread, finisher.sweep)
                except (StoreError, OSError) as exc:
                    self._meter.failed()
                    logger.error("audio_not_finished", error=type(exc).__name__)
                except asyncio.CancelledError:
                    finisher.stop()
                    raise
                await asyncio.sleep(self._settings.audio_seconds)

    async def _expire_repeatedly(self, thread: ThreadPoolExecutor) -> None:
        """Delete expired calls now, also those that expired while no recorder ran, and every few minutes."""
        while True:
            try:
                await self._expire(thread)
            except StoreError as exc:
                self._meter.failed()
                logger.error("store_unavailable", remedy=str(exc))
            await asyncio.sleep(_EXPIRE_SECONDS)

    async def _expire(self, thread: ThreadPoolExecutor) -> None:
        """Delete expired calls in small transactions, between which batches are stored."""
        retention, expired = self._settings.retention, 0
        while count := await _in(thread, lambda: self._store.expire(retention)):
            expired += count
        if expired:
            self._meter.expired(expired)
            logger.info("calls_expired", entries=expired)

    async def _try_quarantine_again(self, thread: ThreadPoolExecutor) -> None:
        """Store quarantined entries again: a newer version of the program may be able to read them."""
        try:
            released = await _in(thread, lambda: try_again(self._store))
        except StoreError as exc:  # the next start tries again
            logger.warning("quarantine_retry_failed", error=type(exc).__name__)
            return
        if released:
            logger.info("quarantine_released", entries=released)

    async def _follow(self, outbox: str, thread: ThreadPoolExecutor) -> None:
        """Store the entries of one outbox.  After each failure, begin with those delivered but not acknowledged."""
        failures = 0
        while True:
            try:
                await self._join(keys=[outbox], args=[RECORDER])
                while mine := await self._read(outbox, "0"):
                    await self._settle(outbox, mine, thread)
                failures = 0
                while True:
                    await self._settle(outbox, await self._read(outbox, ">"), thread)
                    await self._settle(outbox, await self._orphans(outbox), thread)
            except StoreUnavailableError as exc:
                self._meter.failed()
                logger.error("store_unavailable", outbox=outbox, remedy=str(exc))
            except (RedisError, OSError) as exc:
                logger.warning("redis_unavailable", outbox=outbox, error=type(exc).__name__)
            failures += 1
            await asyncio.sleep(pause(failures, random.random()))

    async def _read(self, outbox: str, after: str) -> list[Any]:
        """Read entries: `after` is `0` for our own unacknowledged ones, `>` for new ones."""
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
        """Store and acknowledge the entries.  Completes even if the task is cancelled meanwhile."""
        if not entries:
            self._meter.behind(0)
            return
        written = parse_entry_id(entries[0][0])[0] / 1_000  # by the clock of Redis
        self._meter.behind(max(0.0, time.time() - written))
        settling = asyncio.ensure_future(self._store_and_let_go(outbox, entries, thread))
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            with contextlib.suppress(
                RedisError, OSError, StoreError
            ):  # the next recorder stores them
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
            logger.error(
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


def _finisher(store: Store, settings: RecorderSettings) -> "AudioFinisher | None":
    keys = settings.audio_keys
    if keys is None:
        return None
    if find_spec("av") is None:
        raise OperatorError(
            "keeping audio needs PyAV: pip install 'trunkline[codecs]', or unset audio_folder"
        )
    from .kept_audio.finishing import AudioFinisher  # noqa: PLC0415  # numpy: most sites keep no audio

    return AudioFinisher(store, Path(settings.audio_folder), keys, settings.audio_settle_seconds)


async def _in(thread: ThreadPoolExecutor, work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(thread, work)
