"""
Several streams that are one call.

Where a bridge taps each party by itself (two ARI taps, two media streams), each stream brings its channel of a call
that all of them name.  All come to one gateway and one call; to its session a stream's part looks like a
conversation.  A stream is told nothing: what the call says is read from its log.
"""

import asyncio
from dataclasses import replace
from typing import assert_never

from protocol.bridge import (
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
from protocol.clock import at_rate

from .call import Call
from .conversation import Conversation
from .queue import SupersededError


class Junction:
    """A call of several streams.  It ends when the last one that has come is gone; others may still be to come."""

    def __init__(self, conversation: Conversation, opened: CallOpened) -> None:
        """`opened`: what the first stream said."""
        self.conversation = conversation
        self.running = asyncio.create_task(conversation.run())
        self._roles = opened.joins
        self._rate = opened.rate
        self._speaking: dict[int, Leg] = {}
        self._seats: set[Leg] = set()

    def attach(self, opened: CallOpened) -> "Leg":
        """A stream's part, from where the call stands now.  A later stream for the same channel takes it over."""
        if opened.joins != self._roles:
            raise DialectError(f"this call is joined as {'-'.join(self._roles)}: say the same")
        if opened.rate != self._rate:
            raise DialectError(f"the streams of this call come at {self._rate} Hz: send the same")
        leg = Leg(self, [self._roles.index(role) for role in opened.roles], self._rate)
        for channel in leg.channels:
            if older := self._speaking.get(channel):
                older.supersede()
            self._speaking[channel] = leg
        self._seats.add(leg)
        return leg

    def leave(self, leg: "Leg", reason: str) -> bool:
        """Nothing more comes from `leg`; whether that was the last one."""
        for channel in leg.channels:
            if self._speaking.get(channel) is leg:
                del self._speaking[channel]
        self.conversation.rest(leg.channels)
        if self._speaking:
            return False
        self.conversation.hang_up(reason)
        return True

    def release(self, leg: "Leg") -> bool:
        """The session of `leg` is over; whether it was the last one, and nobody waits for the call any more."""
        self._seats.discard(leg)
        if not self._seats:
            self.running.cancel()
        return not self._seats


class Leg:
    """What one stream has of a call: its channels, which it numbers from 0."""

    def __init__(self, junction: Junction, channels: list[int], rate: int) -> None:
        """`channels`: their numbers in the call; `rate`, in Hz, is the bridge's."""
        self.junction = junction
        self.channels = channels
        conversation = junction.conversation
        begins = [conversation.take_up(channel) for channel in channels]
        self.began = conversation.heard
        self._offsets = [at_rate(begin, rate) for begin in begins]
        self._gone = False
        self._parted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def call(self) -> Call:
        """The call that all streams share."""
        return self.junction.conversation.call

    @property
    def heard(self) -> int:
        """Where the call stands, on its clock."""
        return self.junction.conversation.heard

    @property
    def is_live(self) -> bool:
        """Whether anything more is heard from this stream."""
        return not self._gone and self.junction.conversation.is_live

    @property
    def is_resumable(self) -> bool:
        """A stream that comes back is a new one, for the same channel."""
        return False

    def hear(self, event: DecodedEvent) -> None:
        """Take in what the bridge says; DialectError when it may not say that now."""
        conversation = self.junction.conversation
        match event:
            case _ if not self.is_live:
                return
            case AudioReceived(channel, _, position):
                at = None if position is None else position + self._offsets[channel]
                conversation.hear(replace(event, channel=self._number(channel), position=at))
            case DtmfReceived(channel) | FinalizeRequested(int(channel)):
                conversation.hear(replace(event, channel=self._number(channel)))
            case FinalizeRequested():
                for number in self.channels:
                    conversation.hear(FinalizeRequested(number))
            case AudioSkipped():
                pass  # one stream's silence is not the others': positions show it where they are sent
            case (
                KeywordsChanged()
                | LanguageChanged()
                | MarkReceived()
                | BridgeWarning()
                | CallOpened()
            ):
                conversation.hear(event)
            case CallClosed():
                self.hang_up("completed")
            case _:
                assert_never(event)

    def hang_up(self, reason: str) -> None:
        """Nothing more will be heard of this stream; the call ends with its last one."""
        if not self._gone:
            self._gone = True
            if not self.junction.leave(self, reason):
                self._parted.set_result(None)

    def supersede(self) -> None:
        """A newer stream has come for the same channel."""
        self._gone = True
        if not self._parted.done():
            self._parted.set_exception(SupersededError())

    def rest(self) -> None:
        """Nothing is heard for now: close what is open."""
        self.junction.conversation.rest(self.channels)

    async def leave(self, _why: SupersededError) -> None:
        """The gateway goes down."""
        self.hang_up("gateway stopped")

    async def run(self) -> None:
        """Until the call is over, or goes on without this stream."""
        running = self.junction.running
        await asyncio.wait({running, self._parted}, return_when=asyncio.FIRST_COMPLETED)
        (self._parted if self._parted.done() else running).result()

    def _number(self, channel: int) -> int:
        if not 0 <= channel < len(self.channels):
            raise DialectError(f"channel {channel} does not exist: {len(self.channels)} were said")
        return self.channels[channel]


Part = Conversation | Leg
"""What a session has of a call: all of it, or one of its streams."""
