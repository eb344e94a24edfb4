"""What a conversation needs to go on with a call that it takes back from the gateway that had adopted it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.log_reader import LogReader
from protocol.events import Account, ChannelTotals, Span

from ..audio.channel_segmenter import ChannelSegmenter
from ..call.call import Call
from ..call.checkpoint import Checkpoint
from ..call.recovery import RecoveredCall
from .channel import Channel, Origin

_BEFORE = "stands in the log before this one"


@dataclass(frozen=True, slots=True)
class Renewal:
    """Makes the parts anew; the channels stay, for they know what has come and where it belongs."""

    call: Callable[[Checkpoint], Call]
    segmenter: Callable[[], ChannelSegmenter]
    log_reader: Callable[[int], LogReader]
    """Told what is in the log behind a seq."""

    def recalled(
        self, past: RecoveredCall, checkpoint: Checkpoint, channels: int
    ) -> tuple[Call, list[Origin]]:
        """The account of a call that goes on in its log, and where each channel stands in it."""
        call = self.call(checkpoint)
        call.recall(past)
        return call, [origin_of(past, channel) for channel in range(channels)]

    def begun_anew(
        self, past: RecoveredCall, checkpoint: Checkpoint, channels: int
    ) -> tuple[Call, list[Origin]]:
        """The account of a call whose log has ended: another log goes on with its clock."""
        call = self.call(checkpoint)
        call.start()
        positions = [past.heard(channel) for channel in range(channels)]
        for channel, position in enumerate(positions):
            if position:
                call.miss(channel, Span(0, position), _BEFORE, Account.PAUSED)
        return call, [Origin(one, 0, ChannelTotals(paused=one)) for one in positions]

    def restart(
        self,
        channels: Sequence[Channel],
        call: Call,
        origins: Sequence[Origin],
        deliver: Callable[[], None],
    ) -> None:
        """Let every channel hear again what the call does not know."""
        for channel, origin in zip(channels, origins, strict=True):
            channel.restart(self.segmenter(), call, origin, deliver)


def origin_of(past: RecoveredCall, channel: int) -> Origin:
    """Where a channel stands in what is known of its call."""
    return Origin(past.heard(channel), past.opened(channel), past.totals(channel))
