"""
One call between its bridge and Redis.

It passes events of the bridge to `Call`, has the ledger's due writes written to Redis (`LedgerWriter`), and has the
event log read back (`LogFollower`).  If the bridge is lost, no more audio is received.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from redis.exceptions import RedisError

from broker.event_log.log_reader import LogReader
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
from protocol.clock import to_ms
from protocol.events import CardAdded, Entry, KeywordsApplied, LoadLevel
from protocol.scheduling.worker_capacity import Task

from ...audio_writer import CallAudio
from ...call.call import Call
from ...call.checkpoint import Checkpoint
from ...call.ownership import Ownership
from ...call_store import CallStore, LogLostError, SupersededError
from ...metrics import GatewayMeter
from ..unstored import EndedCall
from .channel import Channel
from .ledger_writer import LedgerWriter
from .log_follower import LogFollower
from .owned_call import OwnedCall
from .renewal import Renewal
from .shared_turn import SharedTurn
from .take_back import TakeBack

logger = structlog.get_logger()


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
        self._meter = meter or GatewayMeter()
        self._queue = queue
        self._owned = OwnedCall(call, channels, checkpoint, self._meter, audio)
        self._writer = LedgerWriter(self._owned, queue, self._meter, turn or SharedTurn())
        self._follower = LogFollower(self._owned, log_reader, notify, self._meter)
        parts = (self._writer, self._follower, self._meter)
        self._take_back = TakeBack(self._owned, queue, renewal, *parts) if renewal else None
        self.serves: Callable[[Task], bool] = lambda _: True
        """Returns whether a living worker can do a task."""

        self.began = self.heard
        """Position of the call when this bridge opened or continued it, on the call clock."""

    @property
    def call(self) -> Call:
        """The decisions of the call.  A call that is taken back gets another object."""
        return self._owned.call

    @property
    def ownership(self) -> Ownership:
        """The identification of the call for the heartbeat script."""
        return self._queue.ownership

    @property
    def signed_at(self) -> float:
        """When the last accepted checkpoint was sent, which counts as a heartbeat; monotonic seconds."""
        return self._writer.signed_at

    @property
    def is_live(self) -> bool:
        """Whether the call still accepts audio."""
        return self._owned.is_live

    @property
    def unsettled(self) -> int:
        """Number of segments that have no terminal event yet."""
        return len(self.call.ledger.unsettled)

    @property
    def is_unfinished(self) -> bool:
        """Whether audio has ended, this gateway owns the call, and its event log is not complete yet."""
        return self._owned.is_unfinished

    @property
    def is_resumable(self) -> bool:
        """Whether the bridge has a resume token."""
        return bool(self._owned.start.token)

    @property
    def checkpoint(self) -> Checkpoint:
        """The state of the call as far as it survives the loss of this gateway."""
        return self._owned.checkpoint

    @property
    def heard(self) -> int:
        """End of the audio received on any channel, on the call clock."""
        return self._owned.heard

    @property
    def levels(self) -> tuple[ChannelLevel, ...]:
        """How much audio each channel has received, and how loud it is."""
        return tuple(
            ChannelLevel(to_ms(channel.arrived), *(channel.levels or ()))
            for channel in self._owned.channels
        )

    @property
    def ended(self) -> EndedCall:
        """The data to keep of an ended call until it is stored."""
        return EndedCall(self._queue, self.checkpoint, self.call.ledger.packed)

    # Events of the bridge

    def feed(self, event: DecodedEvent) -> None:
        """Take an event of the bridge.  Raises DialectError if the event is not allowed now."""
        if not self._owned.is_ours:
            return
        if isinstance(event, AudioReceived):
            self._owned.channel(event.channel).receive(event.position, event.pcm)
            self._owned.count(len(event.pcm))
            return
        match event:
            case AudioSkipped(samples, account, reason):
                for one in self._owned.channels:
                    one.skip(samples, reason, account)
            case LanguageChanged(language):
                self._channels_now()
                self._change_language(language)
                self._owned.is_changed = True
            case KeywordsChanged(terms, rejected):
                self._channels_now()
                self.call.change_keywords(terms, rejected)
            case DtmfReceived(channel, digit):
                if not self.call.config.paused:
                    self._owned.channel(channel).press(digit)
            case MarkReceived(name):
                self._channels_now()
                self.call.mark(name)
                self._owned.is_changed = self.is_resumable and bool(self.call.marks)
            case FinalizeRequested(channel):
                owned = self._owned
                for one in owned.channels if channel is None else [owned.channel(channel)]:
                    one.finalize()
            case BridgeWarning(code):
                self._meter.warned(self.call.identity.dialect, code)
                self.call.warn_of(event)
            case CallClosed():
                self.hang_up("completed")
            case CallOpened():
                raise DialectError("this call has been started already")
        self._owned.wake()

    def hear(self, audio: Sequence[CodedAudio]) -> None:
        """Take the audio of one message as `feed` does; it is decoded at the next tick."""
        if not self._owned.is_ours:
            return
        samples = 0
        for one in audio:
            self._owned.channel(one.channel).receive_coded(one)
            samples += one.samples
        self._owned.count(samples)

    def replace_keywords(self, terms: Sequence[str]) -> KeywordsApplied:
        """Replace the keyword list, as the bridge would.  Returns what now applies."""
        clean = keywords.clean(terms)
        self.feed(KeywordsChanged(clean.terms, clean.rejected))
        revision = self.call.config.keywords.revision
        return KeywordsApplied(revision, clean.terms, clean.rejected)

    def add_card(self, card: CardAdded) -> bool:
        """Add a card, unless the call has one with its id.  Returns False if there is no room for it."""
        has_room = self.call.add_card(card)
        self._owned.wake()
        return has_room

    def withhold(self) -> None:
        """Process no audio and no DTMF from now on, also if another gateway continues the call.  Idempotent."""
        if self._owned.is_ours and not self.call.config.paused:
            self.pause()
            self._set_withheld(paused=True)

    def stop_withholding(self) -> None:
        """Process audio again.  What arrived meanwhile is one gap, counted as paused.  Idempotent."""
        if self._owned.is_ours and self.call.config.paused:
            self._set_withheld(paused=False)

    def _set_withheld(self, *, paused: bool) -> None:
        self.call.config = replace(self.call.config, paused=paused)
        for channel in self._owned.channels:
            channel.withhold(paused=paused)
        self._owned.is_changed = True
        self._owned.wake()

    def hang_up(self, reason: str) -> None:
        """End the audio of the call and close its open segments.  Idempotent."""
        if not self._owned.is_ours:
            return
        self.pause()
        self._owned.end(reason)

    def stop_keeping_audio(self) -> None:
        """Keep no audio of this call from now on.  Idempotent."""
        self._owned.stop_keeping_audio()

    def _change_language(self, language: str) -> None:
        """Change the language, unless no living worker can do it: the segments would wait forever."""
        if self.serves(replace(self.call.config, language=language).task):
            self.call.change_language(language)
        else:
            logger.warning("language_refused", reason=f"no running worker transcribes {language}")

    def set_load_level(self, level: LoadLevel, reason: str = "") -> None:
        """Set the load level.  `reason`: why, if another cause than overload; empty for overload."""
        if self.call.set_load_level(level, reason):
            self._owned.wake()

    def pause(self, channels: Sequence[int] | None = None) -> None:
        """No audio arrives for now on `channels`, or on all if None: close their open segments."""
        self._owned.pause(channels)

    def attach_channel(self, number: int) -> int:
        """Attach a stream to a channel at the current position.  Returns its start, on the call clock."""
        channel = self._owned.channel(number)
        channel.begin_at(self.heard)
        return channel.heard

    def _channels_now(self) -> None:
        """Process all audio that has arrived, because the next event refers to it."""
        for channel in self._owned.channels:
            channel.listen_now()

    # Redis

    async def run(self) -> None:
        """Write and read until the call is over.  Raises SupersededError if a newer connection owns the call."""
        owned = self._owned
        try:
            while (lost := await self._run_while_owner()) is not None:
                if owned.is_leaving or self._take_back is None:
                    raise lost
                if not await self._take_back.run():
                    return
        except SupersededError as exc:
            owned.lost = owned.lost or exc
            owned.stop_keeping_audio()
            raise

    async def run_on(self) -> None:
        """Run the call again after its bridge is gone, until all its segments are settled."""
        self._follower.detach_bridge()
        await self.run()

    async def heartbeat(self) -> None:
        """Write the checkpoint as a heartbeat.  If Redis has lost the event log, schedule its restore."""
        await self._writer.heartbeat()

    async def leave(self, why: SupersededError, patience: float = 10.0) -> None:
        """
        Give up ownership of the call.  `run` raises `why`; the new owner writes `call.ended`.

        For up to `patience` seconds, try to write all received audio to Redis first.
        """
        owned = self._owned
        if owned.is_ours:
            owned.pause()
        owned.stop_keeping_audio()
        owned.is_leaving = True
        with contextlib.suppress(RedisError, OSError, LogLostError, SupersededError, TimeoutError):
            async with TimeLimit(patience):
                await self._writer.write_all()
                await self._writer.sign()
        owned.lose(why)

    async def _run_while_owner(self) -> SupersededError | None:
        """Write and read while this gateway owns the call.  Returns None when the call is over."""
        lost: SupersededError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._writer.run())
                await self._follower.run()
                writing.cancel()
        except* SupersededError as group:
            lost = next(one for one in group.exceptions if isinstance(one, SupersededError))
        return lost
