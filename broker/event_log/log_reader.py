"""
Reads the logs of calls while they grow.

The pub/sub channel of a call delivers events at once but may lose some; the log is complete. A reader therefore
takes an event from the channel if its `seq` is the next one, and reads the log if there is a gap.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from protocol.events import Entry, LogEntry, UnreadEntry
from protocol.events.event_codec import decode_entry
from protocol.scheduling.draft_doubts import DOUBT, DraftDoubt

from ..redis_keys import CallKeys
from ..time_limits import TimeLimit
from .log_positions import LogStatus, entry_from
from .pubsub import CATCH_UP, POSITION, News, PubSubHub

_PAGE = 256
"""Entries read from a log at a time."""

logger = structlog.get_logger()


class LogReplacedError(Exception):
    """
    The log was replaced by another one, whose seqs begin again at 1.

    This happens if a call id is used again, or if a gateway and Redis failed together and the bridge reconnected.
    """


class LogReader:
    """Reads all entries of one call's log after seq `after`: in order, each once, with partials between them."""

    def __init__(
        self,
        redis: Redis,
        pubsub_hub: PubSubHub,
        keys: CallKeys,
        after: int,
        log_status: LogStatus | None = None,
    ) -> None:
        """`log_status`: state of the log, if known. A log that ends before `after` has replaced the one read."""
        self._redis = redis
        self._pubsub_hub = pubsub_hub
        self._keys = keys
        self._seq = after
        self._log: bytes | None = None
        self._unread_kinds: set[str] = set()
        self._is_unread = False
        self._is_another = log_status is not None and 0 < log_status.last < after

    @property
    def seq(self) -> int:
        """The last seq that was delivered."""
        return self._seq

    async def entries(
        self, doubts: Callable[[DraftDoubt], None] | None = None
    ) -> AsyncIterator[LogEntry]:
        """
        Entries as they arrive, until `call.ended`. Waits for a call that has not begun yet.

        `doubts` is called with each message about a doubtful draft, which is in no log.

        An entry that this version cannot read is an `UnreadEntry`, because it has a place in the log.
        Raises LogReplacedError if another log has begun. The next call of `entries` reads that log from its start.
        """
        if self._is_another:
            self._is_another, self._seq = False, 0
            raise LogReplacedError
        async with self._pubsub_hub.listen(self._keys.live, self._keys.meta) as news:
            async for entry in self._behind():
                yield entry
                if entry.is_last:
                    return
            while True:
                async for entry in self._next(news, doubts):
                    yield entry
                    if entry.is_last:
                        return

    async def _next(
        self, news: News, doubts: Callable[[DraftDoubt], None] | None
    ) -> AsyncIterator[LogEntry]:
        try:
            async with TimeLimit(CATCH_UP if self._is_unread else None):
                message = await news.get()
        except TimeoutError:
            message = b""
        head, _, payload = message.partition(b" ")
        if head == POSITION:
            position, _, log = payload.partition(b" ")
            if log == self._log and int(position) <= self._seq:
                return
            head = b""
        if head == DOUBT:
            if doubts and (doubt := DraftDoubt.decode(payload)):
                doubts(doubt)
            return
        seq = int(head) if head.isdigit() else None
        if head == b"-":
            if isinstance(partial := self._noted(decode_entry(None, payload)), Entry):
                yield partial
        elif seq == self._seq + 1:
            self._seq += 1
            yield self._noted(decode_entry(self._seq, payload))
        elif not head or (seq is not None and (seq > self._seq or seq == 1)):
            async for entry in self._behind():
                yield entry

    def _noted(self, entry: LogEntry) -> LogEntry:
        """Log an entry that cannot be read: once for each type of event, because a newer worker sends many."""
        if isinstance(entry, UnreadEntry) and entry.kind not in self._unread_kinds:
            self._unread_kinds.add(entry.kind)
            logger.warning(
                "event_not_read",
                call_id=self._keys.call_id,
                name=entry.kind,
                entry=entry.seq,
                remedy="written by another version of Trunkline: update this part",
            )
        return entry

    async def _behind(self) -> AsyncIterator[LogEntry]:
        """Entries of the log after the last seq; none while Redis cannot be reached."""
        while True:
            try:
                page = await self._page()
            except (RedisError, OSError):
                self._is_unread = True
                return
            self._is_unread = False
            for entry in map(entry_from, page):
                self._seq = entry.seq or self._seq
                yield self._noted(entry)
            if len(page) < _PAGE:
                return

    async def _page(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """The next entries of the log. Reads the name of the log in the same transaction."""
        together = self._redis.pipeline(transaction=True)
        together.hget(self._keys.meta, "log")
        together.xrange(self._keys.log, f"({self._seq}-0", "+", count=_PAGE)
        name: bytes | None
        page: list[tuple[bytes, dict[bytes, bytes]]]
        name, page = await together.execute()
        followed, self._log = self._log, name or self._log
        if followed and self._log != followed:
            self._seq = 0
            raise LogReplacedError
        return page


async def read_across_logs(log_reader: LogReader) -> AsyncGenerator[Entry | None]:
    """
    Entries as a listener receives them; None where another log has replaced the one that was read.

    Entries that this version cannot read are left out.
    """
    while True:
        try:
            async for entry in log_reader.entries():
                if isinstance(entry, Entry):
                    yield entry
        except LogReplacedError:
            yield None
        else:
            return
