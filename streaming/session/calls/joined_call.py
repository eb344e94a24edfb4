"""
Several streams that form one call.

Some bridges send each party as a stream of its own (two ARI taps, two media streams).  Each stream carries one or
more channels of the call that all of them name.  All streams must come to the same gateway; if it has several
processes, they pass the streams on to one of them (`session/group_streams.py`).  A session uses its `StreamHandle`
like a `LiveCall`.  A stream receives no events; listeners read them from the event log.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

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
from protocol.clock import at_rate

from ...call_store import SupersededError
from .forwarded_stream import ForwardedStream
from .live_call import LiveCall


class JoinedCall:
    """A call of several streams.  It ends when its last attached stream has left, even if others never came."""

    def __init__(self, live_call: LiveCall, opened: CallOpened) -> None:
        """`opened`: the opening event of the first stream."""
        self.live_call = live_call
        self.running = asyncio.create_task(live_call.run())
        self._roles = opened.joins
        self._rate = opened.rate
        self._speaking: dict[int, StreamHandle] = {}
        self._seats: set[StreamHandle] = set()

    def attach(self, opened: CallOpened) -> "StreamHandle":
        """
        Attach a stream at the call's current position.  A later stream for the same channel replaces it.

        Raises DialectError if its roles or its rate differ from those of the first stream.
        """
        if opened.joins != self._roles:
            raise DialectError(
                f"this call is joined as {'-'.join(self._roles)}: send the same value"
            )
        if opened.rate != self._rate:
            raise DialectError(f"the streams of this call use {self._rate} Hz: send the same rate")
        if not opened.config.keep_audio:
            self.live_call.stop_keeping_audio()
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
        """Detach a stream that sends nothing more.  Returns whether it was the last one; then the call ends."""
        for channel in stream_handle.channels:
            if self._speaking.get(channel) is stream_handle:
                del self._speaking[channel]
        self.live_call.pause(stream_handle.channels)
        if self._speaking:
            return False
        self.live_call.hang_up(reason)
        return True

    def release(self, stream_handle: "StreamHandle") -> bool:
        """Release a stream whose session is over.  Returns whether no session uses the call any more."""
        self._seats.discard(stream_handle)
        if not self._seats:
            self.running.cancel()
        return not self._seats


class StreamHandle:
    """One stream's access to its channels of a call, which the stream numbers from 0."""

    def __init__(self, joined_call: JoinedCall, channels: list[int], rate: int) -> None:
        """`channels`: their numbers in the call; `rate`: sample rate of the bridge, in Hz."""
        self.joined_call = joined_call
        self.channels = channels
        live_call = joined_call.live_call
        begins = [live_call.attach_channel(channel) for channel in channels]
        self.began = live_call.heard
        self._offsets = [at_rate(begin, rate) for begin in begins]
        self._gone = False
        self._parted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def unsettled(self) -> int:
        """Number of segments of the call that have no terminal event yet."""
        return self.joined_call.live_call.unsettled

    @property
    def heard(self) -> int:
        """End of the audio that the call has received, on the call clock."""
        return self.joined_call.live_call.heard

    @property
    def is_live(self) -> bool:
        """Whether the call still accepts audio from this stream."""
        return not self._gone and self.joined_call.live_call.is_live

    @property
    def is_resumable(self) -> bool:
        """Always false: a stream that reconnects is a new stream for the same channel."""
        return False

    def feed(self, event: DecodedEvent) -> None:
        """Take an event of the bridge.  Raises DialectError if the event is not allowed now."""
        live_call = self.joined_call.live_call
        match event:
            case _ if not self.is_live:
                return
            case AudioReceived(channel, pcm, position):
                at = None if position is None else position + self._offsets[channel]
                live_call.feed(AudioReceived(self._number(channel), pcm, at))
            case DtmfReceived(channel) | FinalizeRequested(int(channel)):
                live_call.feed(replace(event, channel=self._number(channel)))
            case FinalizeRequested():
                for number in self.channels:
                    live_call.feed(FinalizeRequested(number))
            case AudioSkipped():
                pass  # a pause of one stream is not a pause of the others; positions show it where they are sent
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

    def hear(self, audio: Sequence[CodedAudio]) -> None:
        """Take the audio of one message as `feed` does."""
        for one in audio:
            self.feed(one.received)

    def hang_up(self, reason: str) -> None:
        """End this stream.  The call ends with its last stream."""
        if not self._gone:
            self._gone = True
            if not self.joined_call.leave(self, reason):
                self._parted.set_result(None)

    def supersede(self) -> None:
        """A newer stream has replaced this one: `run` raises SupersededError."""
        self._gone = True
        if not self._parted.done():
            self._parted.set_exception(SupersededError())

    def pause(self) -> None:
        """No audio arrives for now: close the open segments of this stream."""
        self.joined_call.live_call.pause(self.channels)

    async def leave(self, _why: SupersededError) -> None:
        """End this stream because the gateway stops."""
        self.hang_up("gateway stopped")

    async def run(self) -> None:
        """Wait until the call is over, or continues without this stream."""
        running = self.joined_call.running
        await asyncio.wait({running, self._parted}, return_when=asyncio.FIRST_COMPLETED)
        (self._parted if self._parted.done() else running).result()

    def _number(self, channel: int) -> int:
        if not 0 <= channel < len(self.channels):
            raise DialectError(
                f"channel {channel} does not exist: {len(self.channels)} were declared"
            )
        return self.channels[channel]


CallHandle = LiveCall | StreamHandle | ForwardedStream
"""A session's access to a call: the whole call, or one of its streams, here or in another process."""
