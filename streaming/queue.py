"""
The gateway's way to Redis: what it writes, each write in one atomic step that may be repeated.

Connection errors go through to the caller, who tries the same write again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript

from protocol.events import SegmentId
from protocol.keys import CallKeys
from protocol.scripts import APPEND, AUDIO_MISSING, HEAR, LOG_LOST, RESTORE, RETIRE, SUBMIT, Script

from .ledger import LogEvent, QueueFinal, StoreAudio, Write

AUDIO_TTL = 900
"""Seconds that audio may lie in Redis when everybody who cared for it is dead."""


class LogLostError(Exception):
    """Redis knows nothing of the call's log any more: begin it again and tell everything."""


class SupersededError(Exception):
    """The call has been taken over by a newer connection: leave it alone."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The write was refused: Redis has only `there` bytes of audio that it needs."""

    segment: SegmentId
    there: int


class CallQueue:
    """The writes of one call."""

    def __init__(self, redis: Redis, keys: CallKeys, log: str) -> None:
        self.keys = keys
        self._redis = redis
        self._log = log
        self._restore = self._script(RESTORE)
        self._append = self._script(APPEND)
        self._hear = self._script(HEAR)
        self._submit = self._script(SUBMIT)
        self._retire = self._script(RETIRE)

    async def take(self) -> None:
        """Begin the log; whoever had a log of this call is superseded."""
        await self._begin(take=1, known=())

    async def restore(self, known: Sequence[LogEvent]) -> None:
        """Begin the log again with what is known of it.  SupersededError when the call has a new owner."""
        if await self._begin(take=0, known=known) == LOG_LOST:
            raise SupersededError

    async def _begin(self, take: int, known: Sequence[LogEvent]) -> int:
        keys = self.keys
        told = [part for event in known for part in (event.name, event.payload)]
        return int(
            await self._restore(
                keys=[keys.meta, keys.log, keys.settled, keys.partition.outbox],
                args=[self._log, keys.call_id, keys.live, take, *told],
            )
        )

    async def perform(self, writes: Sequence[Write]) -> list[Missing | None]:
        """Do `writes` in order, in one round trip; for each None when it is done.  LogLostError if not."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for write in writes:
                await self._add(write, pipe)
            answers = await pipe.execute()
        return [self._outcome(write, answer) for write, answer in zip(writes, answers, strict=True)]

    async def check(self) -> None:
        """LogLostError when Redis has no log of this call, or another one."""
        log = await self._redis.hget(self.keys.meta, "log")
        if log != self._log.encode():
            raise LogLostError

    async def retire(self, keep_seconds: int) -> None:
        """The call has ended: let its log be read for a while, then go."""
        keys = self.keys
        await self._retire(
            keys=[keys.partition.calls, keys.meta, keys.log, keys.settled],
            args=[self._log, keys.call_id, keep_seconds],
        )

    async def _add(self, write: Write, pipe: Pipeline) -> None:
        keys, call = self.keys, self.keys.call_id
        match write:
            case LogEvent(name, payload):
                await self._append(
                    keys=[keys.meta, keys.log, keys.settled, keys.partition.outbox],
                    args=[self._log, call, keys.live, name, payload],
                    client=pipe,
                )
            case StoreAudio(segment, offset, audio, partial):
                await self._hear(
                    keys=[
                        keys.meta,
                        keys.audio(segment),
                        keys.state(segment),
                        keys.partition.partials,
                    ],
                    args=[self._log, offset, audio, AUDIO_TTL, partial],
                    client=pipe,
                )
            case QueueFinal(segment, job, size):
                await self._submit(
                    keys=[
                        keys.meta,
                        keys.settled,
                        keys.state(segment),
                        keys.partition.finals,
                        keys.audio(segment),
                    ],
                    args=[self._log, str(segment), AUDIO_TTL, job, size],
                    client=pipe,
                )
            case _:
                assert_never(write)

    def _outcome(self, write: Write, answer: int) -> Missing | None:
        if answer == LOG_LOST:
            raise LogLostError
        if isinstance(write, StoreAudio) and answer < write.offset + len(write.audio):
            return Missing(write.segment, answer)
        if isinstance(write, QueueFinal) and answer == AUDIO_MISSING:
            return Missing(write.segment, 0)
        return None

    def _script(self, script: Script) -> AsyncScript:
        return self._redis.register_script(script.source)
