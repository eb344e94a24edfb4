"""A call and its channels while this gateway owns it: what the parts of a `LiveCall` share."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from protocol.bridge_events import DialectError
from protocol.clock import CALL_RATE

from ...audio_writer import CallAudio
from ...call.call import Call
from ...call.checkpoint import Checkpoint
from ...call.phase import Phase
from ...call_store import SupersededError
from ...metrics import GatewayMeter
from .channel import Channel


class OwnedCall:
    """The state of a call at its gateway.  After a change, `wake` has it written to Redis."""

    def __init__(
        self,
        call: Call,
        channels: list[Channel],
        checkpoint: Checkpoint,
        meter: GatewayMeter,
        audio: CallAudio | None,
    ) -> None:
        """`checkpoint`: as the call was opened; `audio`: None if the audio of the call is not kept."""
        self.call = call
        self.channels = channels
        self.start = checkpoint
        self.audio = audio
        self.lost: SupersededError | None = None
        """Why another gateway or connection owns the call; None: this gateway owns it."""

        self.is_leaving = False
        """Whether this gateway gives up the call: audio that arrives from now on is for the next owner."""

        self.is_log_lost = False
        """Whether Redis has lost the event log, which must be restored."""

        self.is_changed = False
        """State that no event contains has changed; the checkpoint in Redis is out of date."""

        self.due = asyncio.Event()
        self.due.set()
        self.wakes_on_audio = False
        """Whether received audio alone sets `due`."""

        self._meter = meter
        self._uncounted = 0
        for channel in channels:
            channel.attach(self.due.set)

    def wake(self) -> None:
        """Have the call written to Redis as far as that is due."""
        self.due.set()

    @property
    def is_live(self) -> bool:
        """Whether the call still accepts audio."""
        return self.call.phase is Phase.LIVE

    @property
    def is_ours(self) -> bool:
        """Whether the bridge's events are still for this gateway."""
        return self.call.phase is Phase.LIVE and not self.is_leaving

    @property
    def is_unfinished(self) -> bool:
        """Whether audio has ended, this gateway owns the call, and its event log is not complete yet."""
        return self.call.phase in (Phase.ENDING, Phase.ENDED) and not (self.lost or self.is_leaving)

    @property
    def checkpoint(self) -> Checkpoint:
        """The state of the call as far as it survives the loss of this gateway."""
        safe = [self.call.ledger.safe(number) for number in range(len(self.channels))]
        heard = [
            channel.told if place is None else min(place, channel.told)
            for channel, place in zip(self.channels, safe, strict=True)
        ]
        return replace(
            self.start,
            config=self.call.config,
            heard=tuple(heard) or self.start.heard,
            marks=self.call.marks,
            rate=self.call.ledger.rate,
            other_rates=self.call.ledger.other_rates,
        )

    @property
    def heard(self) -> int:
        """End of the audio received on any channel, on the call clock."""
        return max((channel.heard for channel in self.channels), default=0)

    def channel(self, number: int) -> Channel:
        """Return a channel.  Raises DialectError if the call has none with this number."""
        if not 0 <= number < len(self.channels):
            raise DialectError(
                f"channel {number} does not exist: the call has {len(self.channels)}"
            )
        return self.channels[number]

    def count(self, samples: int) -> None:
        """Count received samples in the metrics, a second at a time; 0: count the rest."""
        self._uncounted += samples
        if self._uncounted >= CALL_RATE or not samples:
            self._meter.received(self._uncounted)
            self._uncounted = 0
        if self.wakes_on_audio:
            self.due.set()

    def pause(self, channels: Sequence[int] | None = None) -> None:
        """No audio arrives for now on `channels`, or on all if None: close their open segments."""
        if self.is_live:
            self.count(0)
            for number in range(len(self.channels)) if channels is None else channels:
                self.channels[number].finish()
            self.wake()

    def end(self, reason: str) -> None:
        """End the audio of the call."""
        self.stop_keeping_audio()
        self.call.end(reason, [channel.totals for channel in self.channels], self.heard)
        self.wake()

    def stop_keeping_audio(self) -> None:
        """Keep no audio of this call from now on.  Idempotent."""
        if self.audio is not None:
            self.audio.close()

    def lose(self, why: SupersededError) -> None:
        """This gateway does not own the call any more: its next write is refused with `why`."""
        self.lost = why
        self.wake()
