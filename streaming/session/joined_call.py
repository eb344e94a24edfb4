"""
Several streams that are one call.

Where a bridge taps each party by itself (two ARI taps, two media streams), each stream brings its channel of a call
that all of them name.  All come to one gateway and one call; to its session a stream's part looks like a
conversation.  A stream is told nothing: what the call says is read from its log.
"""

import asyncio
from dataclasses import replace
from typing import assert_never

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
from protocol.clock import at_rate

from ..call.call import Call
from ..call_store import SupersededError
from .live_call import LiveCall


class JoinedCall:
    """A call of several streams.  It ends when the last one that has come is gone; others may still be to come."""

    def __init__(self, live_call: LiveCall, opened: CallOpened) -> None:
        """`opened`: what the first stream said."""
        self.live_call = live_call
        self.running = asyncio.create_task(live_call.run())
        self._roles = opened.joins
        self._rate = opened.rate
        self._speaking: dict[int, StreamHandle] = {}
        self._seats: set[StreamHandle] = set()

    def attach(self, opened: CallOpened) -> "StreamHandle":
        """A stream's part, from where the call stands now.  A later stream for the same channel takes it over."""
        if opened.joins != self._roles:
            raise DialectError(f"this call is joined as {'-'.join(self._roles)}: say the same")
        if opened.rate != self._rate:
            raise DialectError(f"the streams of this call come at {self._rate} Hz: send the same")
        stream_handle = StreamHandle(
            self, [self._roles.index(role) for role in opened.roles], self._rate
        )
        for channel in stream_handle.channels:
            if older := self._speaking.get(channel):
                older.supersede()
            self._speaking[channel] = stream_handle
        self._seats.add(stream_handle)
        return stream_handle

    def leave(self, stream_handle: "StreamHandle", reason: str) -> bool:
        """Nothing more comes from `leg`; whether that was the last one."""
        for channel in stream_handle.channels:
            if self._speaking.get(channel) is stream_handle:
                del self._speaking[channel]
        self.live_call.pause(stream_handle.channels)
        if self._speaking:
            return False
        self.live_call.hang_up(reason)
        return True

    def release(self, stream_handle: "StreamHandle") -> bool:
        """The session of `leg` is over; whether it was the last one, and nobody waits for the call any more."""
        self._seats.discard(stream_handle)
        if not self._seats:
            self.running.cancel()
        return not self._seats


class StreamHandle:
    """What one stream has of a call: its channels, which it numbers from 0."""

    def __init__(self, joined_call: JoinedCall, channels: list[int], rate: int) -> None:
        """`channels`: their numbers in the call; `rate`, in Hz, is the bridge's."""
        self.joined_call = joined_call
        self.channels = channels
        live_call = joined_call.live_call
        begins = [live_call.attach_channel(channel) for channel in channels]
        self.began = live_call.heard
        self._offsets = [at_rate(begin, rate) for begin in begins]
        self._gone = False
        self._parted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def call(self) -> Call:
        """The call that all streams share."""
        return self.joined_call.live_call.call

    @property
    def heard(self) -> int:
        """Where the call stands, on its clock."""
        return self.joined_call.live_call.heard

    @property
    def is_live(self) -> bool:
        """Whether anything more is heard from this stream."""
        return not self._gone and self.joined_call.live_call.is_live

    @property
    def is_resumable(self) -> bool:
        """A stream that comes back is a new one, for the same channel."""
        return False

    def feed(self, event: DecodedEvent) -> None:
        """Take in what the bridge says; DialectError when it may not say that now."""
        live_call = self.joined_call.live_call
        match event:
            case _ if not self.is_live:
                return
            case AudioReceived(channel, _, position):
                at = None if position is None else position + self._offsets[channel]
                live_call.feed(replace(event, channel=self._number(channel), position=at))
            case DtmfReceived(channel) | FinalizeRequested(int(channel)):
                live_call.feed(replace(event, channel=self._number(channel)))
            case FinalizeRequested():
                for number in self.channels:
                    live_call.feed(FinalizeRequested(number))
            case AudioSkipped():
                pass  # one stream's silence is not the others': positions show it where they are sent
            case (
                KeywordsChanged()
                | LanguageChanged()
                | MarkReceived()
                | BridgeWarning()
                | CallOpened()
            ):
                live_call.feed(event)
            case CallClosed():
                self.hang_up("completed")
            case _:
                assert_never(event)

    def hang_up(self, reason: str) -> None:
        """Nothing more will be heard of this stream; the call ends with its last one."""
        if not self._gone:
            self._gone = True
            if not self.joined_call.leave(self, reason):
                self._parted.set_result(None)

    def supersede(self) -> None:
        """A newer stream has come for the same channel."""
        self._gone = True
        if not self._parted.done():
            self._parted.set_exception(SupersededError())

    def pause(self) -> None:
        """Nothing is heard for now: close what is open."""
        self.joined_call.live_call.pause(self.channels)

    async def leave(self, _why: SupersededError) -> None:
        """The gateway goes down."""
        self.hang_up("gateway stopped")

    async def run(self) -> None:
        """Until the call is over, or goes on without this stream."""
        running = self.joined_call.running
        await asyncio.wait({running, self._parted}, return_when=asyncio.FIRST_COMPLETED)
        (self._parted if self._parted.done() else running).result()

    def _number(self, channel: int) -> int:
        if not 0 <= channel < len(self.channels):
            raise DialectError(f"channel {channel} does not exist: {len(self.channels)} were said")
        return self.channels[channel]


CallHandle = LiveCall | StreamHandle
"""What a session has of a call: all of it, or one of its streams."""
