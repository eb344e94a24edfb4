"""Builds the parts with which `LiveCall` continues a call that it takes back from an adopter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.event_log.log_reader import LogReader
from protocol.events import Account, ChannelTotals, Span

from ...audio.channel_segmenter import ChannelSegmenter
from ...call.call import Call
from ...call.checkpoint import Checkpoint
from ...call.recovery import RecoveredCall
from .channel import Channel
from .channel_origin import ChannelOrigin

_BEFORE = "stands in the log before this one"


@dataclass(frozen=True, slots=True)
class Renewal:
    """Builds new parts; the channels are kept, because they know which audio has arrived and its positions."""

    call: Callable[[Checkpoint], Call]
    segmenter: Callable[[int], ChannelSegmenter]
    """Builds the segmenter of a channel number."""

    log_reader: Callable[[int], LogReader]
    """Builds a reader of the event log that starts after a seq."""

    def recalled(
        self, past: RecoveredCall, checkpoint: Checkpoint, channels: int
    ) -> tuple[Call, list[ChannelOrigin]]:
        """Return the `Call` that continues the existing event log, and where each channel continues."""
        call = self.call(checkpoint)
        call.recall(past)
        return call, [origin_of(past, channel) for channel in range(channels)]

    def begun_anew(
        self, past: RecoveredCall, checkpoint: Checkpoint, channels: int
    ) -> tuple[Call, list[ChannelOrigin]]:
        """Return a `Call` with a new event log, for a call whose log has ended.  The call clock continues."""
        call = self.call(checkpoint)
        call.start()
        positions = [past.heard(channel) for channel in range(channels)]
        for channel, position in enumerate(positions):
            if position:
                call.miss(channel, Span(0, position), _BEFORE, Account.PAUSED)
        return call, [ChannelOrigin(one, 0, ChannelTotals(paused=one)) for one in positions]

    def restart(
        self,
        channels: Sequence[Channel],
        call: Call,
        origins: Sequence[ChannelOrigin],
    ) -> None:
        """Restart every channel, so that audio which `call` does not know is processed again."""
        for number, (channel, origin) in enumerate(zip(channels, origins, strict=True)):
            channel.restart(self.segmenter(number), call, origin)


def origin_of(past: RecoveredCall, channel: int) -> ChannelOrigin:
    """Return where a channel continues, according to the recovered call."""
    return ChannelOrigin(past.heard(channel), past.opened(channel), past.totals(channel))
