"""
One call between its bridge and Redis: the shell around `Call`.

Three tasks: what the call wants written goes to Redis, what the log says comes back, what the bridge is to
be told goes out.  Losing the bridge ends the hearing; losing Redis makes writes wait.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from redis.exceptions import RedisError, ResponseError

from broker.log_reader import LogReader, LogReplacedError
from protocol.bridge_events import (
    AudioReceived,
    AudioSkipped,
    BridgeWarning,
    CallClosed,
    CallOpened,
    DecodedEvent,
    DialectError,
    DtmfReceived,
    FinalizeRequested,
    KeywordsChanged,
    LanguageChanged,
    MarkReceived,
)
from protocol.events import Entry, LoadLevel
from protocol.worker_capacity import Task

from ..call.call import Call, Phase
from ..call.checkpoint import Checkpoint
from ..call.ownership import Ownership
from ..call.recovery import RecoveredCall
from ..call_store import CallStore, LogLostError, Missing, SupersededError
from ..metrics import GatewayMeter
from .channel import Channel
from .renewal import Renewal
from .unstored import EndedCall

_DOUBT_EVERY = 5
"""Beats between two looks at whether queued segments still lie in their lanes."""

_BACK_OFF = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before a write is tried again; the last one for as long as it takes."""

log = structlog.get_logger()


class LiveCall:
    """A call in progress.  `hear` takes what the bridge says; `run` lasts until `call.ended` is in the log."""

    def __init__(
        self,
        call: Call,
        channels: list[Channel],
        queue: CallStore,
        log_reader: LogReader,
        notify: Callable[[Entry], None],
        checkpoint: Checkpoint,
        meter: GatewayMeter | None = None,
        renewal: Renewal | None = None,
    ) -> None:
        """`renewal`: how to go on with a call taken back from an adopter; None where we are the adopter."""
        self.call = call
        self._renewal = renewal
        self._meter = meter or GatewayMeter()
        self._start = checkpoint
        self._channels = channels
        self._queue = queue
        self._log_reader = log_reader
        self._notify = notify
        self._left: SupersededError | None = None
        self._is_leaving = False
        self._is_forgotten = False
        self.serves: Callable[[Task], bool] = lambda _: True
        """Whether some living worker can do a task."""
        self._is_changed = False
        """Something has changed that stands in no event, and Redis does not know it yet."""

        self._heartbeats = 0
        self._notifying = asyncio.Lock()
        """Held while Redis is told how far we have come: what was right before a loss must not come after it."""

        self._due = asyncio.Event()
        self._due.set()
        self.began = self.heard
        """Where the call stood, on its clock, when this bridge took it up."""

    @property
    def ownership(self) -> Ownership:
        """The call as the heartbeat has to know it."""
        return self._queue.ownership

    @property
    def is_live(self) -> bool:
        """Whether anything more is heard."""
        return self.call.phase is Phase.LIVE

    @property
    def is_unfinished(self) -> bool:
        """Whether all was heard, the call is still ours, and something is missing in its log."""
        return self.call.phase in (Phase.ENDING, Phase.ENDED) and not (
            self._left or self._is_leaving
        )

    @property
    def _is_ours(self) -> bool:
        """Whether what the bridge says is still for us to hear."""
        return self.is_live and not self._is_leaving

    @property
    def is_resumable(self) -> bool:
        """Whether the bridge has been told how to come back."""
        return bool(self._start.token)

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the call has come, as far as it does not depend on us."""
        safe = [self.call.ledger.safe(number) for number in range(len(self._channels))]
        heard = [
            channel.told if place is None else min(place, channel.told)
            for channel, place in zip(self._channels, safe, strict=True)
        ]
        return replace(
            self._start,
            config=self.call.config,
            heard=tuple(heard) or self._start.heard,
            marks=self.call.marks,
        )

    @property
    def heard(self) -> int:
        """Where the call stands, on its clock."""
        return max((channel.heard for channel in self._channels), default=0)

    # What the bridge says

    def feed(self, event: DecodedEvent) -> None:
        """Take in what the bridge says; DialectError when it may not say that now."""
        if not self._is_ours:
            return
        match event:
            case AudioReceived(channel, pcm, position):
                self._channel(channel).receive(position, pcm, self._due.set)
                self._meter.received(len(pcm))
                return
            case AudioSkipped(samples, account, reason):
                for one in self._channels:
                    one.skip(samples, reason, account)
            case LanguageChanged(language):
                self._channels_now()
                self._change_language(language)
                self._is_changed = True
            case KeywordsChanged(terms, rejected):
                self._channels_now()
                self.call.change_keywords(terms, rejected)
            case DtmfReceived(channel, digit):
                self._channel(channel).press(digit)
            case MarkReceived(name):
                self._channels_now()
                self.call.mark(name)
                self._is_changed = self.is_resumable and bool(self.call.marks)
            case FinalizeRequested(channel):
                for one in self._channels if channel is None else [self._channel(channel)]:
                    one.finalize()
            case BridgeWarning(code):
                self._meter.warned(self.call.identity.dialect, code)
                self.call.warn_of(event)
            case CallClosed():
                self.hang_up("completed")
            case CallOpened():
                raise DialectError("this call has been started already")
        self._due.set()

    def hang_up(self, reason: str) -> None:
        """Nothing more will be heard: close what is open.  A second time changes nothing."""
        if not self._is_ours:
            return
        self.pause()
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.call.end(reason, [channel.totals for channel in self._channels], self.heard)
        self._due.set()

    def _change_language(self, language: str) -> None:
        """Unless no living worker can do it: segments would wait for ever, and the call with them."""
        if self.serves(replace(self.call.config, language=language).task):
            self.call.change_language(language)
        else:
            log.warning("language_refused", reason=f"no worker here hears {language}")

    def set_load_level(self, level: LoadLevel, reason: str = "") -> None:
        """What is left out from now on, because the workers are behind; `reason`: why, if it is not that."""
        if self.call.set_load_level(level, reason):
            self._due.set()

    def pause(self, channels: Sequence[int] | None = None) -> None:
        """Nothing is heard for now, of `channels` or of all: close what is open."""
        if self.call.phase is Phase.LIVE:
            for number in range(len(self._channels)) if channels is None else channels:
                self._channels[number].finish()
            self._due.set()

    def attach_channel(self, number: int) -> int:
        """A stream takes a channel up, now; where it begins, on the call clock."""
        channel = self._channel(number)
        channel.begin_at(self.heard)
        return channel.heard

    async def leave(self, why: SupersededError, patience: float = 10.0) -> None:
        """
        Leave the call to somebody else: `run` ends with `why`, `call.ended` is not ours to say.

        For `patience` seconds we try to leave behind in Redis all that was heard.
        """
        if self._is_ours:
            self.pause()
        self._is_leaving = True  # what comes now is for somebody else, from where we stopped
        with contextlib.suppress(RedisError, OSError, LogLostError, SupersededError, TimeoutError):
            async with asyncio.timeout(patience):
                while await self._write_due():
                    pass
                await self._sign()
        self._left = why
        self._due.set()

    def _channel(self, number: int) -> Channel:
        if not 0 <= number < len(self._channels):
            raise DialectError(
                f"channel {number} does not exist: the call has {len(self._channels)}"
            )
        return self._channels[number]

    def _channels_now(self) -> None:
        """Hear out what has arrived, because what comes next refers to it."""
        for channel in self._channels:
            channel.listen_now()

    # Redis

    async def run(self) -> None:
        """Write and follow until the call is over; SupersededError when a bridge's newer connection has it."""
        try:
            while (lost := await self._run_while_owner()) is not None:
                if self._is_leaving or self._renewal is None:
                    raise lost
                if not await self._take_back(self._renewal):
                    return
        except SupersededError as exc:
            self._left = self._left or exc
            raise

    async def _run_while_owner(self) -> SupersededError | None:
        """None when the call is over."""
        lost: SupersededError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write())
                await self._follow()
                writing.cancel()
        except* SupersededError as group:
            lost = next(one for one in group.exceptions if isinstance(one, SupersededError))
        return lost

    async def _take_back(self, renewal: Renewal) -> bool:
        """
        Go on with a call that another gateway has adopted, because we had not beaten for too long.

        False when it is over: its log has ended, and nothing was heard that does not stand there.
        SupersededError when a bridge's newer connection has it.
        """
        checkpoint, failures = self.checkpoint, 0
        name, before = secrets.token_hex(8), None
        while True:
            try:
                before = before or await self._queue.recovered(checkpoint)
                if before.has_ended and not await self._is_more_heard(before):
                    await self._hear_the_end(renewal)
                    return False
                async with self._notifying:
                    recovered, anew = await self._queue.take_back(name, checkpoint, before)
                    self._renew(renewal, recovered, anew=anew)
            except (RedisError, OSError):
                await asyncio.sleep(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1
            else:
                return True

    def _renew(self, renewal: Renewal, recovered: RecoveredCall, *, anew: bool) -> None:
        """Put what is kept of the call in the place of what was, and hear again what it does not have."""
        log.warning("call_taken_back", call_id=self._queue.keys.call_id)
        former, count = self.call, len(self._channels)
        self._start = replace(self._start, config=former.config)
        make = renewal.begun_anew if anew else renewal.recalled
        self.call, origins = make(recovered, self._start, count)
        self._log_reader = renewal.log_reader(0 if anew else self._log_reader.seq)
        self._left, self._is_forgotten = None, False
        marks = self.call.carry_over(former)
        renewal.restart(self._channels, self.call, origins, self._due.set)
        for mark in marks:
            self.call.mark(mark)
        if marks or former.end_reason:
            self.pause()
        if former.end_reason:
            self._end(former.end_reason)
        self._meter.took(self._start.dialect, "taken_back")
        self._due.set()

    async def _is_more_heard(self, recovered: RecoveredCall) -> bool:
        """Whether the bridge says, or has said, more than stands in a log that has ended.  Waits to know."""
        arrived = [channel.arrived for channel in self._channels]
        while True:
            if self._is_leaving:
                raise self._left or SupersededError
            if any(
                self.call.ledger.reaches(one, recovered.heard(one)) for one in range(len(arrived))
            ):
                return True
            if arrived != [channel.arrived for channel in self._channels]:
                return True
            if not self.is_live:
                return False
            self._due.clear()
            await self._due.wait()

    async def _hear_the_end(self, renewal: Renewal) -> None:
        """Tell the bridge what another gateway has written to the end of the call."""
        async for entry in renewal.log_reader(self._log_reader.seq).entries():
            self.call.apply(entry)
            self._notify(entry)

    async def run_on(self) -> None:
        """The same once more for a call whose bridge is gone: what was heard is waited for, however long."""
        self._notify = lambda _: None
        await self.run()

    @property
    def ended(self) -> EndedCall:
        """What has to be kept of the call when it is over."""
        return EndedCall(self._queue, self.checkpoint, self.call.ledger.known)

    async def heartbeat(self) -> None:
        """A sign of life; Redis is told again what it has forgotten of the call."""
        try:
            await self._sign()
            self._doubt()
        except LogLostError:
            self._is_forgotten = True
            self._due.set()
        except SupersededError as exc:
            self._left = exc
            self._due.set()

    def _doubt(self) -> None:
        """Now and then: somebody may have emptied a lane, or all workers may have been away for too long."""
        self._heartbeats += 1
        if self._heartbeats % _DOUBT_EVERY == 0:
            self.call.ledger.doubt()
            self._due.set()

    async def _sign(self) -> None:
        async with self._notifying:
            checkpoint = self.checkpoint
            self._is_changed = False
            await self._queue.heartbeat(checkpoint)
            for channel, position in zip(self._channels, checkpoint.heard, strict=False):
                channel.keep_from(position)

    async def _follow(self) -> None:
        try:
            async for entry in self._log_reader.entries():
                if self.call.is_of_another(entry):
                    raise SupersededError
                if self.call.is_news(entry):
                    self._meter.learned(entry.event, self.call.waited_for(entry.event))
                self.call.apply(entry)
                self._due.set()
                self._notify(entry)
        except LogReplacedError as exc:  # only who owns the call begins a log
            raise SupersededError from exc

    async def _write(self) -> None:
        failures = 0
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                while await self._write_due():
                    pass
                failures = 0
            except (RedisError, OSError) as exc:
                if failures == 0:
                    _note(exc)
                await asyncio.sleep(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1
                self._due.set()

    async def _write_due(self) -> bool:
        """Write what is due; whether there was anything.  SupersededError when the call is not ours."""
        if self._left:
            raise self._left
        if self._is_forgotten:
            await self._restore()
        if self._is_changed:
            await self.heartbeat()
        ledger = self.call.ledger
        writes = list(ledger.due())
        if not writes:
            return False
        try:
            outcomes = await self._queue.perform(writes)
        except LogLostError:
            await self._restore()
            return True
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Missing):
                ledger.missing(outcome.segment, outcome.there)
            else:
                ledger.wrote(write)
        return True

    async def _restore(self) -> None:
        known = self.call.ledger.known
        log.warning("log_lost", events=len(known))
        self.call.ledger.lost()  # first: how far the call has come depends on us again
        async with self._notifying:
            await self._queue.restore(known, self.checkpoint)
        self._is_forgotten = False


def _note(exc: Exception) -> None:
    """A server that is away comes back; a key that somebody has spoilt needs an operator."""
    log.warning("redis_unavailable", error=type(exc).__name__)
    if isinstance(exc, ResponseError) and str(exc).startswith("WRONGTYPE"):
        log.error("redis_key_unusable", remedy=str(exc).removeprefix("WRONGTYPE "))
