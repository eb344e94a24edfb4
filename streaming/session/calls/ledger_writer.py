"""Writes to Redis what the ledger of a call has due, and its checkpoints.  If Redis is lost, writes wait."""

import asyncio
import math
import time
from enum import Enum, auto

import structlog
from redis.exceptions import RedisError, ResponseError

from ...call.segments.drafts import DraftOutcome
from ...call_store import CallStore, LogLostError, Missing, SupersededError
from ...metrics import GatewayMeter
from .owned_call import OwnedCall
from .shared_turn import SharedTurn

_DOUBT_EVERY = 5
"""Heartbeats after which unsettled segments are queued again, in case their job streams have lost them."""

_BACK_OFF = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before each retry of a write; the last value repeats."""

logger = structlog.get_logger()


def back_off(failures: int) -> float:
    """Return the seconds to wait before the next try, after `failures` failures before the latest one."""
    return _BACK_OFF[min(failures, len(_BACK_OFF) - 1)]


class _Turn(Enum):
    """Whether writes that can wait have their turn."""

    NOT_NEEDED = auto()
    AWAITED = auto()
    COME = auto()


class LedgerWriter:
    """The writer of one call."""

    def __init__(
        self, owned: OwnedCall, store: CallStore, meter: GatewayMeter, turn: SharedTurn
    ) -> None:
        """`turn`: in which all calls write the audio of open segments."""
        self._owned = owned
        self._store = store
        self._meter = meter
        self._turn = turn
        self._turn_state = _Turn.NOT_NEEDED
        self._heartbeats = 0
        self.signed_at = -math.inf
        """When the last accepted checkpoint was sent, which counts as a heartbeat; monotonic seconds."""

        self.checkpointing = asyncio.Lock()
        """Held while a checkpoint is written: one from before a loss of Redis must not be written after it."""

    async def run(self) -> None:
        """Write whenever something is due, without end.  Raises SupersededError if the call has a new owner."""
        failures = 0
        due = self._owned.due
        while True:
            await due.wait()
            due.clear()
            if not self._may_write():
                continue
            try:
                await self.write_all()
                failures = 0
            except (RedisError, OSError) as exc:
                if failures == 0:
                    _note(exc)
                await asyncio.sleep(back_off(failures))
                failures += 1
                due.set()

    async def write_all(self) -> None:
        """
        Write everything that is due now.

        Raises SupersededError if this gateway does not own the call any more.
        """
        while await self._write_due():
            pass

    async def heartbeat(self) -> None:
        """Write the checkpoint as a heartbeat.  If Redis has lost the event log, schedule its restore."""
        try:
            await self.sign()
            self._doubt()
        except LogLostError:
            self._owned.is_log_lost = True
            self._owned.wake()
        except SupersededError as exc:
            self._owned.lose(exc)

    async def sign(self) -> None:
        """Write the checkpoint.  Raises LogLostError, SupersededError, RedisError."""
        owned = self._owned
        async with self.checkpointing:
            checkpoint = owned.checkpoint
            owned.is_changed = False
            sent = time.monotonic()
            await self._store.heartbeat(checkpoint)
            self.signed_at = sent
            for channel, position in zip(owned.channels, checkpoint.heard, strict=False):
                channel.keep_from(position)

    def _doubt(self) -> None:
        """Every few heartbeats, queue unsettled segments again: a job stream may have lost their jobs."""
        self._heartbeats += 1
        if self._heartbeats % _DOUBT_EVERY == 0:
            self._owned.call.ledger.doubt()
            self._store.doubt()
            self._owned.wake()

    def _may_write(self) -> bool:
        """Whether to write now.  If only audio of open segments is due, wait for the turn of all calls."""
        owned, ledger = self._owned, self._owned.call.ledger
        is_turn = self._turn_state is _Turn.COME
        is_urgent = owned.lost or owned.is_log_lost or owned.is_changed
        if is_turn or is_urgent or ledger.is_urgent:
            if is_turn:
                self._turn_state = _Turn.NOT_NEEDED
            return True
        if self._turn_state is _Turn.NOT_NEEDED and ledger.has_due:
            self._turn_state = _Turn.AWAITED
            self._turn.wake(self._take_turn)
        return False

    def _take_turn(self) -> None:
        self._turn_state = _Turn.COME
        self._owned.wake()

    async def _write_due(self) -> bool:
        """Write what is due.  Returns whether there was anything."""
        owned = self._owned
        if owned.lost:
            raise owned.lost
        if owned.is_log_lost:
            await self._restore()
        if owned.is_changed:
            await self.heartbeat()
        self._meter.drafted(DraftOutcome.WITHDRAWN, owned.call.drafts.take_withdrawn())
        ledger = owned.call.ledger
        writes = list(ledger.due())
        if not writes:
            return False
        try:
            outcomes = await self._store.perform(writes)
        except LogLostError:
            await self._restore()
            return True
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Missing):
                ledger.missing(outcome.segment, outcome.there)
            else:
                ledger.wrote(write)
            if isinstance(outcome, DraftOutcome):
                self._meter.drafted(outcome)
        return True

    async def _restore(self) -> None:
        ledger = self._owned.call.ledger
        known = ledger.known
        logger.warning("log_lost", events=len(known))
        ledger.lost()  # first: the checkpoint must not count audio that Redis has lost
        async with self.checkpointing:
            await self._store.restore(known, self._owned.checkpoint)
        self._owned.is_log_lost = False


def _note(exc: Exception) -> None:
    """Log a failed write.  An absent server comes back; a key of the wrong type needs an operator."""
    logger.warning("redis_unavailable", error=type(exc).__name__)
    if isinstance(exc, ResponseError) and str(exc).startswith("WRONGTYPE"):
        logger.error("redis_key_unusable", remedy=str(exc).removeprefix("WRONGTYPE "))
