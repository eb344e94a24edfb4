"""
The gateway's writes to Redis for one call.  Each write is atomic and idempotent.

Connection errors are raised to the caller, which repeats the same write.
"""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript

from broker.connections.shared_pipeline import Part, SharedPipeline
from broker.keyword_lists import KeywordLists
from broker.queries import server_time
from broker.redis_keys import CallKeys
from broker.redis_scripts.leases import REGISTER_STREAMS
from broker.redis_scripts.scripts import (
    ADOPT,
    AUDIO_MISSING,
    DRAFT_USED,
    LOG_LOST,
    NO_ROOM,
    NOT_OWNER,
    OPEN,
    RESEND,
    RESTORE,
    RETIRE,
    WRITE_CHECKPOINT,
    Script,
)
from protocol.calls.keywords import MOST_IN_JOBS, list_digest

from ..call.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from ..call.ledger import LogEvent, QueueDraft, QueueFinal, StoreAudio, Write
from ..call.ownership import Ownership
from ..call.recovery import RecoveredCall
from ..call.segments.drafts import DraftOutcome
from .errors import LogLostError, OverloadedError, SupersededError
from .reading import read_log
from .writes import Missing, SharedWrite, WriteScripts, stream_suffix_of


class CallStore:
    """
    The writes of one owner of a call.

    Call `open` or `adopt` first: they set the event log that the other methods write.
    """

    def __init__(
        self,
        redis: Redis,
        keys: CallKeys,
        owner: str,
        keep_seconds: int = 900,
        memory_share: float = 1.0,
        pipeline: SharedPipeline | None = None,
    ) -> None:
        """
        `keep_seconds`: how long the event log of an ended call can still be read.

        `memory_share`: used share (0 to 1) of the memory limit of Redis above which no new call is opened.
        `pipeline`: shared with the other calls of the partition.
        """
        self.keys = keys
        self._pipeline = pipeline or SharedPipeline(redis)
        self.log = ""
        self._redis = redis
        self._owner = owner
        self._keep_seconds = keep_seconds
        self._memory_share = memory_share
        self._lists = KeywordLists(redis)
        self._list = ""
        """Digest of the long keyword list of the call that Redis has, as far as this owner knows."""

        self._registered: set[str] = set()
        """Suffixes of the job streams that Redis lists for the workers, as far as this owner knows."""

        self._open = self._script(OPEN)
        self._adopt = self._script(ADOPT)
        self._heartbeat = self._script(WRITE_CHECKPOINT)
        self._restore = self._script(RESTORE)
        self._register_streams = self._script(REGISTER_STREAMS)
        self._writes = WriteScripts(self._pipeline, keys)
        self._retire = self._script(RETIRE)
        self._resend = self._script(RESEND)

    # Ownership

    async def peek(self) -> Checkpoint | None:
        """Return the call's checkpoint; None if there is no call or its checkpoint cannot be decoded."""
        payload: Any = await self._redis.hget(self.keys.meta, "checkpoint")
        return decode_checkpoint(payload) if payload else None

    async def in_progress(self) -> Checkpoint | None:
        """Return the call's checkpoint like `peek`; None also if the call has ended."""
        ended = await self._redis.hexists(self.keys.settled, "ended")
        return None if ended else await self.peek()

    async def silent_seconds(self) -> float:
        """Return the seconds since the last heartbeat of the call's gateway, by the clock of Redis."""
        last_heartbeat = await self._redis.zscore(self.keys.partition.calls, self.keys.call_id)
        return await server_time(self._redis) - (last_heartbeat or 0.0)

    async def open(self, log: str, checkpoint: Checkpoint, *, back: bool = False) -> bool:
        """
        Take ownership of the call.  Returns True for a new call with event log `log`, False for one in progress.

        `back`: only if no bridge connection has owned it since this owner; otherwise raises SupersededError.
        Raises OverloadedError if the memory of Redis has no room for a new call.
        """
        keys, stored = self.keys, await self._encoded(checkpoint)
        name = await self._open(
            keys=[keys.meta, keys.log, keys.settled, keys.partition.calls],
            args=[
                log,
                self._owner,
                keys.call_id,
                stored,
                self._memory_share,
                "back" if back else "",
            ],
        )
        if name == NO_ROOM:
            raise OverloadedError("Redis has no free memory: try again later")
        if not name:
            raise SupersededError
        self.log = name.decode()
        return self.log == log

    async def take_back(
        self, log: str, checkpoint: Checkpoint, before: RecoveredCall
    ) -> tuple[RecoveredCall, bool]:
        """
        Take ownership back from an adopter.  Returns the state of the call, and whether the call had ended.

        A call that had ended starts again with event log `log`; its returned state is `before`, which the caller
        read before the first try.  Raises SupersededError if a newer connection of a bridge owns the call.
        """
        if await self.open(log, checkpoint, back=True):
            return before, True
        return await self.recovered(checkpoint), False

    @property
    def ownership(self) -> Ownership:
        """The identification of the call for the heartbeat script."""
        keys = self.keys
        return Ownership(keys.partition.calls, keys.meta, self.log, self._owner, keys.call_id)

    async def adopt(self, silent_seconds: float) -> bool:
        """
        Take ownership if the call's gateway has sent no heartbeat for `silent_seconds`.

        Returns False if another gateway was faster or the owner is alive.
        """
        keys = self.keys
        name = await self._adopt(
            keys=[keys.meta, keys.partition.calls, keys.log, keys.settled],
            args=[self._owner, self.keys.call_id, silent_seconds],
        )
        self.log = name.decode()
        return bool(self.log)

    async def heartbeat(self, checkpoint: Checkpoint) -> None:
        """
        Write the checkpoint, as a heartbeat.

        Raises LogLostError if the event log is lost or incomplete, SupersededError if the call has a new owner.
        """
        keys, stored = self.keys, await self._encoded(checkpoint)
        written = Part(
            self._heartbeat,
            [keys.meta, keys.partition.calls, keys.log, keys.settled],
            [self.log, self._owner, keys.call_id, stored],
        )
        self._refuse((await self._pipeline.run(parts=[written]))[0])

    async def restore(self, known: Sequence[LogEvent], checkpoint: Checkpoint) -> None:
        """Write the entries that Redis lacks of the log.  Raises SupersededError if the call has a new owner."""
        keys, stored = self.keys, await self._encoded(checkpoint)
        told = [part for event in known for part in (event.name, event.payload)]
        self._refuse(
            await self._restore(
                keys=[
                    keys.meta,
                    keys.log,
                    keys.settled,
                    keys.partition.outbox,
                    keys.partition.calls,
                ],
                args=[
                    self.log,
                    self._owner,
                    keys.call_id,
                    keys.live,
                    stored,
                    *told,
                ],
            )
        )

    async def retire(self) -> None:
        """Let the event log of the ended call expire after `keep_seconds`."""
        keys = self.keys
        await self._retire(
            keys=[keys.partition.calls, keys.meta, keys.log, keys.settled],
            args=[self.log, self._owner, keys.call_id, self._keep_seconds],
        )

    async def resend(self, known: Sequence[LogEvent]) -> None:
        """Write the whole log (`known`) to the outbox again, regardless of the owner of the call."""
        keys = self.keys
        told = [event.payload for event in known]
        await self._resend(keys=[keys.partition.outbox], args=[keys.call_id, self.log, *told])

    # Reading

    async def recovered(self, checkpoint: Checkpoint) -> RecoveredCall:
        """Read the state of the call from Redis.  `checkpoint`: used if the stored one cannot be decoded."""
        checkpoint = await self._listed(await self.peek() or checkpoint)
        entries, unsettled_segments = await read_log(self._redis, self.keys, checkpoint)
        return RecoveredCall(self.log, checkpoint, entries, unsettled_segments)

    # Keywords

    def stored_list(self, terms: tuple[str, ...]) -> str:
        """Return the digest of a keyword list if Redis has it, as far as this owner knows; otherwise empty."""
        return self._list if self._list and list_digest(terms) == self._list else ""

    async def _encoded(self, checkpoint: Checkpoint) -> bytes:
        """Encode a checkpoint.  Its keyword list, if it is a long one, is stored or renewed first."""
        terms = checkpoint.config.keywords.terms
        if len(terms) <= MOST_IN_JOBS:
            return encode_checkpoint(checkpoint)
        self._list = await self._lists.keep(self.keys.partition, terms)
        return encode_checkpoint(checkpoint.listing(self._list))

    async def _listed(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return a checkpoint with the keyword list that it names, if Redis has that."""
        if not checkpoint.keyword_list:
            return checkpoint
        terms = await self._lists.read(self.keys.partition, checkpoint.keyword_list)
        return checkpoint.with_listed(terms) if terms else checkpoint

    # Writing

    async def perform(self, writes: Sequence[Write]) -> list[Missing | DraftOutcome | None]:
        """
        Perform `writes` in one round trip: audio, drafts and events first, then finals; each in their order.

        Returns None for each completed write, `Missing` for one that needs audio which Redis lacks, and for a final
        with a draft what became of the draft.  Raises LogLostError if the event log is lost, SupersededError if the
        call has a new owner.
        """
        suffixes = {index: stream_suffix_of(write) for index, write in enumerate(writes)}
        await self._announce({suffix for suffix in suffixes.values() if suffix})
        parts, others = [], []
        for index, write in enumerate(writes):
            if isinstance(write, SharedWrite):
                parts.append(self._writes.part(write, suffixes[index], self.log, self._owner))
            else:
                others.append((write, suffixes[index]))

        async def add(pipe: Pipeline) -> None:
            for write, suffix in others:
                await self._writes.add(write, suffix, pipe, self.log, self._owner)

        answers = await self._pipeline.run(add, parts)
        shared, own = iter(answers), iter(answers[len(parts) :])
        return [
            self._outcome(write, next(shared if isinstance(write, SharedWrite) else own))
            for write in writes
        ]

    async def _announce(self, suffixes: set[str]) -> None:
        """List job streams for the workers, before their first jobs."""
        if new := sorted(suffixes - self._registered):
            await self._register_streams(keys=[self.keys.partition.job_streams], args=new)
            self._registered.update(new)

    def doubt(self) -> None:
        """Register the job streams again with the next jobs, because Redis may have lost the list of them."""
        self._registered.clear()

    def _refuse(self, answer: int | bytes) -> None:
        if answer in (LOG_LOST, b"stale", b"unseen"):
            self.doubt()
            self._list = (
                ""  # jobs contain their keywords until the next heartbeat has stored them again
            )
            raise LogLostError
        if answer in (NOT_OWNER, b"lost"):
            raise SupersededError

    def _outcome(self, write: Write, answer: int | bytes) -> Missing | DraftOutcome | None:
        self._refuse(answer)
        if isinstance(answer, bytes):
            return None
        if isinstance(write, StoreAudio) and answer < write.offset + len(write.audio):
            return Missing(write.segment, answer)
        if isinstance(write, QueueDraft) and answer < write.size:
            return Missing(write.segment, answer)
        if isinstance(write, QueueFinal) and answer == AUDIO_MISSING:
            return Missing(write.segment, 0)
        if isinstance(write, QueueFinal) and write.drafted and answer:
            return DraftOutcome.USED if answer == DRAFT_USED else DraftOutcome.LATE
        return None

    def _script(self, script: Script) -> AsyncScript:
        return self._pipeline.script(script)
