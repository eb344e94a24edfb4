"""
One call between its bridge and Redis: performs the writes that `Call` decides.

It passes events of the bridge to `Call`, writes the ledger's due writes to Redis, and reads the event log back.
If the bridge is lost, no more audio is received; if Redis is lost, writes wait.
"""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto

import structlog
from redis.exceptions import RedisError, ResponseError

from broker.event_log.log_reader import LogReader, LogReplacedError
from broker.time_limits import TimeLimit
from protocol.bridge_events import (
    AudioReceived,
    AudioSkipped,
    BridgeWarning,
    CallClosed,
    CallOpened,
    CodedAudio,
    DecodedEvent,
    DialectError,
    DtmfReceived,
    FinalizeRequested,
    KeywordsChanged,
    LanguageChanged,
    MarkReceived,
)
from protocol.calls import keywords
from protocol.calls.call_commands import ChannelLevel
from protocol.clock import CALL_RATE, to_ms
from protocol.events import CardAdded, Entry, KeywordsApplied, LoadLevel, LogEntry
from protocol.scheduling.draft_doubts import DraftDoubt
from protocol.scheduling.worker_capacity import Task

from ...audio_writer import CallAudio
from ...call.call import Call, Phase
from ...call.checkpoint import Checkpoint
from ...call.drafts import DraftOutcome
from ...call.ownership import Ownership
from ...call.recovery import RecoveredCall
from ...call_store import CallStore, LogLostError, Missing, SupersededError
from ...metrics import GatewayMeter
from ..unstored import EndedCall
from .channel import Channel
from .renewal import Renewal
from .shared_turn import SharedTurn

_DOUBT_EVERY = 5
"""Heartbeats after which unsettled segments are queued again, in case their job streams have lost them."""

_BACK_OFF = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before each retry of a write; the last value repeats."""

logger = structlog.get_logger()


class _Turn(Enum):
    """Whether writes that can wait have their turn."""

    NOT_NEEDED = auto()
    AWAITED = auto()
    COME = auto()


class LiveCall:
    """A call in progress.  `feed` takes the bridge's events; `run` returns once `call.ended` is in the log."""

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
        audio: CallAudio | None = None,
        turn: SharedTurn | None = None,
    ) -> None:
        """
        `notify` is called with each entry of the event log.

        `renewal`: builds the parts to continue a call taken back from an adopter; None if this gateway adopted it.
        `audio`: None if the audio of the call is not kept.  `turn`: in which calls write audio of open segments.
        """
        self.call = call
        self._turn = turn or SharedTurn()
        self._turn_state = _Turn.NOT_NEEDED
        self._signed = -math.inf
        self._renewal = renewal
        self._audio = audio
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
        """Returns whether a living worker can do a task."""
        self._is_changed = False
        """State that no event contains has changed; the checkpoint in Redis is out of date."""

        self._heartbeats = 0
        self._notifying = asyncio.Lock()
        """Held while a checkpoint is written: one from before a loss of Redis must not be written after it."""

        self._due = asyncio.Event()
        self._due.set()
        self._is_curious = False
        """Whether `_is_more_heard` waits for audio."""

        self._uncounted = 0
        for channel in channels:
            channel.attach(self._due.set)
        self.began = self.heard
        """Position of the call when this bridge opened or continued it, on the call clock."""

    @property
    def ownership(self) -> Ownership:
        """The identification of the call for the heartbeat script."""
        return self._queue.ownership

    @property
    def signed_at(self) -> float:
        """When the last accepted checkpoint was sent, which counts as a heartbeat; monotonic seconds."""
        return self._signed

    @property
    def is_live(self) -> bool:
        """Whether the call still accepts audio."""
        return self.call.phase is Phase.LIVE

    @property
    def unsettled(self) -> int:
        """Number of segments that have no terminal event yet."""
        return len(self.call.ledger.unsettled)

    @property
    def is_unfinished(self) -> bool:
        """Whether audio has ended, this gateway owns the call, and its event log is not complete yet."""
        return self.call.phase in (Phase.ENDING, Phase.ENDED) and not (
            self._left or self._is_leaving
        )

    @property
    def _is_ours(self) -> bool:
        """Whether the bridge's events are still for this gateway."""
        return self.is_live and not self._is_leaving

    @property
    def is_resumable(self) -> bool:
        """Whether the bridge has a resume token."""
        return bool(self._start.token)

    @property
    def checkpoint(self) -> Checkpoint:
        """The state of the call as far as it survives the loss of this gateway."""
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
            rate=self.call.ledger.rate,
            other_rates=self.call.ledger.other_rates,
        )

    @property
    def heard(self) -> int:
        """End of the audio received on any channel, on the call clock."""
        return max((channel.heard for channel in self._channels), default=0)

    @property
    def levels(self) -> tuple[ChannelLevel, ...]:
        """How much audio each channel has received, and how loud it is."""
        return tuple(
            ChannelLevel(to_ms(channel.arrived), *(channel.levels or ()))
            for channel in self._channels
        )

    # Events of the bridge

    def feed(self, event: DecodedEvent) -> None:
        """Take an event of the bridge.  Raises DialectError if the event is not allowed now."""
        if not self._is_ours:
            return
        if isinstance(event, AudioReceived):
            self._channel(event.channel).receive(event.position, event.pcm)
            self._count(len(event.pcm))
            return
        match event:
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
                if not self.call.config.paused:
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

    def hear(self, audio: Sequence[CodedAudio]) -> None:
        """Take the audio of one message as `feed` does; it is decoded at the next tick."""
        if not self._is_ours:
            return
        samples = 0
        for one in audio:
            self._channel(one.channel).receive_coded(one)
            samples += one.samples
        self._count(samples)

    def replace_keywords(self, terms: Sequence[str]) -> KeywordsApplied:
        """Replace the keyword list, as the bridge would.  Returns what now applies."""
        clean = keywords.clean(terms)
        self.feed(KeywordsChanged(clean.terms, clean.rejected))
        revision = self.call.config.keywords.revision
        return KeywordsApplied(revision, clean.terms, clean.rejected)

    def add_card(self, card: CardAdded) -> bool:
        """Add a card, unless the call has one with its id.  Returns False if there is no room for it."""
        has_room = self.call.add_card(card)
        self._due.set()
        return has_room

    def withhold(self) -> None:
        """Process no audio and no DTMF from now on, also if another gateway continues the call.  Idempotent."""
        if self._is_ours and not self.call.config.paused:
            self.pause()
            self._set_withheld(paused=True)

    def stop_withholding(self) -> None:
        """Process audio again.  What arrived meanwhile is one gap, counted as paused.  Idempotent."""
        if self._is_ours and self.call.config.paused:
            self._set_withheld(paused=False)

    def _set_withheld(self, *, paused: bool) -> None:
        self.call.config = replace(self.call.config, paused=paused)
        for channel in self._channels:
            channel.withhold(paused=paused)
        self._is_changed = True
        self._due.set()

    def _count(self, samples: int) -> None:
        """Count received samples in the metrics, a second at a time."""
        self._uncounted += samples
        if self._uncounted >= CALL_RATE or not samples:
            self._meter.received(self._uncounted)
            self._uncounted = 0
        if self._is_curious:
            self._due.set()

    def hang_up(self, reason: str) -> None:
        """End the audio of the call and close its open segments.  Idempotent."""
        if not self._is_ours:
            return
        self.pause()
        self._end(reason)

    def stop_keeping_audio(self) -> None:
        """Keep no audio of this call from now on.  Idempotent."""
        if self._audio is not None:
            self._audio.close()

    def _end(self, reason: str) -> None:
        self.stop_keeping_audio()
        self.call.end(reason, [channel.totals for channel in self._channels], self.heard)
        self._due.set()

    def _change_language(self, language: str) -> None:
        """Change the language, unless no living worker can do it: the segments would wait forever."""
        if self.serves(replace(self.call.config, language=language).task):
            self.call.change_language(language)
        else:
            logger.warning("language_refused", reason=f"no running worker transcribes {language}")

    def set_load_level(self, level: LoadLevel, reason: str = "") -> None:
        """Set the load level.  `reason`: why, if another cause than overload; empty for overload."""
        if self.call.set_load_level(level, reason):
            self._due.set()

    def pause(self, channels: Sequence[int] | None = None) -> None:
        """No audio arrives for now on `channels`, or on all if None: close their open segments."""
        if self.call.phase is Phase.LIVE:
            self._count(0)
            for number in range(len(self._channels)) if channels is None else channels:
                self._channels[number].finish()
            self._due.set()

    def attach_channel(self, number: int) -> int:
        """Attach a stream to a channel at the current position.  Returns its start, on the call clock."""
        channel = self._channel(number)
        channel.begin_at(self.heard)
        return channel.heard

    async def leave(self, why: SupersededError, patience: float = 10.0) -> None:
        """
        Give up ownership of the call.  `run` raises `why`; the new owner writes `call.ended`.

        For up to `patience` seconds, try to write all received audio to Redis first.
        """
        if self._is_ours:
            self.pause()
        self.stop_keeping_audio()
        self._is_leaving = True  # audio that arrives from now on is for the next owner
        with contextlib.suppress(RedisError, OSError, LogLostError, SupersededError, TimeoutError):
            async with TimeLimit(patience):
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
        """Process all audio that has arrived, because the next event refers to it."""
        for channel in self._channels:
            channel.listen_now()

    # Redis

    async def run(self) -> None:
        """Write and read until the call is over.  Raises SupersededError if a newer connection owns the call."""
        try:
            while (lost := await self._run_while_owner()) is not None:
                if self._is_leaving or self._renewal is None:
                    raise lost
                if not await self._take_back(self._renewal):
                    return
        except SupersededError as exc:
            self._left = self._left or exc
            self.stop_keeping_audio()
            raise

    async def _run_while_owner(self) -> SupersededError | None:
        """Write and read while this gateway owns the call.  Returns None when the call is over."""
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
        Take back a call that another gateway adopted because this gateway sent no heartbeat for too long.

        Returns False if the call is over: its event log has ended and contains all received audio.
        Raises SupersededError if a newer connection of the bridge owns the call.
        """
        checkpoint, failures = self.checkpoint, 0
        name, before = secrets.token_hex(8), None
        while True:
            try:
                before = before or await self._queue.recovered(checkpoint)
                if before.has_ended and not await self._has_unlogged_audio(before):
                    await self._wait_for_call_end(renewal)
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
        """
        Replace `Call` by one built from `recovered`, and process audio that it does not contain again.

        `anew`: the old event log has ended, so the call continues in a new one.
        """
        logger.warning("call_taken_back", call_id=self._queue.keys.call_id)
        former, count = self.call, len(self._channels)
        self._start = replace(self._start, config=former.config)
        make = renewal.begun_anew if anew else renewal.recalled
        self.call, origins = make(recovered, self._start, count)
        self._log_reader = renewal.log_reader(0 if anew else self._log_reader.seq)
        self._left, self._is_forgotten = None, False
        if anew and self._audio is not None and not former.end_reason:
            self.call.keep_audio(self._audio.begin())
        marks = self.call.carry_over(former)
        renewal.restart(self._channels, self.call, origins)
        for mark in marks:
            self.call.mark(mark)
        if marks or former.end_reason:
            self.pause()
        if former.end_reason:
            self._end(former.end_reason)
        self._meter.took(self._start.dialect, "taken_back")
        self._due.set()

    async def _has_unlogged_audio(self, recovered: RecoveredCall) -> bool:
        """Return whether the bridge has sent, or now sends, audio that an ended log does not contain.  May wait."""
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
            self._is_curious = True
            await self._due.wait()

    async def _wait_for_call_end(self, renewal: Renewal) -> None:
        """Pass the entries that another gateway wrote up to the end of the call to the bridge."""
        async for entry in renewal.log_reader(self._log_reader.seq).entries():
            self._apply(entry)

    def _apply(self, entry: LogEntry) -> None:
        self.call.apply(entry)
        self._due.set()
        if isinstance(entry, Entry):  # a bridge gets nothing that this version cannot read
            self._notify(entry)

    async def run_on(self) -> None:
        """Run the call again after its bridge is gone, until all its segments are settled."""
        self._notify = lambda _: None
        await self.run()

    @property
    def ended(self) -> EndedCall:
        """The data to keep of an ended call until it is stored."""
        return EndedCall(self._queue, self.checkpoint, self.call.ledger.known)

    async def heartbeat(self) -> None:
        """Write the checkpoint as a heartbeat.  If Redis has lost the event log, schedule its restore."""
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
        """Every few heartbeats, queue unsettled segments again: a job stream may have lost their jobs."""
        self._heartbeats += 1
        if self._heartbeats % _DOUBT_EVERY == 0:
            self.call.ledger.doubt()
            self._queue.doubt()
            self._due.set()

    async def _sign(self) -> None:
        async with self._notifying:
            checkpoint = self.checkpoint
            self._is_changed = False
            sent = time.monotonic()
            await self._queue.heartbeat(checkpoint)
            self._signed = sent
            for channel, position in zip(self._channels, checkpoint.heard, strict=False):
                channel.keep_from(position)

    async def _follow(self) -> None:
        try:
            async for entry in self._log_reader.entries(self._wait_for_speech):
                if self.call.is_of_another(entry):
                    raise SupersededError
                if isinstance(entry, Entry) and self.call.is_news(entry):
                    self._meter.learned(entry.event, self.call.waited_for(entry.event))
                self._apply(entry)
        except LogReplacedError as exc:  # only the owner of the call starts a log
            raise SupersededError from exc

    def _wait_for_speech(self, doubt: DraftDoubt) -> None:
        """Let the segment of a doubtful draft wait for more speech, if it is open and still in that pause."""
        channel = doubt.segment.channel
        is_known = doubt.log == self._queue.log and channel < len(self._channels)
        if is_known and self._is_ours and self._channels[channel].wait(doubt):
            self._meter.waited()

    async def _write(self) -> None:
        failures = 0
        while True:
            await self._due.wait()
            self._due.clear()
            if not self._may_write():
                continue
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

    def _may_write(self) -> bool:
        """Whether to write now.  If only audio of open segments is due, wait for the turn of all calls."""
        is_turn = self._turn_state is _Turn.COME
        is_urgent = self._left or self._is_forgotten or self._is_changed
        if is_turn or is_urgent or self.call.ledger.is_urgent:
            if is_turn:
                self._turn_state = _Turn.NOT_NEEDED
            return True
        if self._turn_state is _Turn.NOT_NEEDED and any(self.call.ledger.due()):
            self._turn_state = _Turn.AWAITED
            self._turn.wake(self._take_turn)
        return False

    def _take_turn(self) -> None:
        self._turn_state = _Turn.COME
        self._due.set()

    async def _write_due(self) -> bool:
        """
        Write what is due.  Returns whether there was anything.

        Raises SupersededError if this gateway does not own the call any more.
        """
        if self._left:
            raise self._left
        if self._is_forgotten:
            await self._restore()
        if self._is_changed:
            await self.heartbeat()
        ledger = self.call.ledger
        self._meter.drafted(DraftOutcome.WITHDRAWN, self.call.drafts.take_withdrawn())
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
            if isinstance(outcome, DraftOutcome):
                self._meter.drafted(outcome)
        return True

    async def _restore(self) -> None:
        known = self.call.ledger.known
        logger.warning("log_lost", events=len(known))
        self.call.ledger.lost()  # first: the checkpoint must not count audio that Redis has lost
        async with self._notifying:
            await self._queue.restore(known, self.checkpoint)
        self._is_forgotten = False


def _note(exc: Exception) -> None:
    """Log a failed write.  An absent server comes back; a key of the wrong type needs an operator."""
    logger.warning("redis_unavailable", error=type(exc).__name__)
    if isinstance(exc, ResponseError) and str(exc).startswith("WRONGTYPE"):
        logger.error("redis_key_unusable", remedy=str(exc).removeprefix("WRONGTYPE "))
