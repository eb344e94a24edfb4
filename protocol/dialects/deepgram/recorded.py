"""
Deepgram's live dialect for a recording that a gateway plays: another gateway may continue it where the first died.

A recording that continues begins at `begin`; what single channels have of it already is left out.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from ...bridge_events import AudioReceived, BridgeEvent, CallOpened
from ...clock import at_rate
from ...events import Entry
from ..base import Message, Request
from .live import Deepgram

OPENING = '{"type":"KeepAlive"}'
"""First message: it opens the call, and only then it is known where the audio begins."""


class RecordedDialect:
    """One recording, as a client of the live dialect that can resume."""

    name: ClassVar[str] = Deepgram.name

    def __init__(self, request: Request) -> None:
        self._live = Deepgram(request, recorded=True)
        self.begin = 0
        """Where the audio begins, in samples of the call clock."""

        self._rate = 0
        self._known: list[int] = []
        """For each channel, how many samples from `begin` on the call has already, at the rate of the audio."""

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        return [self._placed(one) for one in self._live.receive(message)]

    def opened(self, call_id: str) -> None:
        """See Dialect."""
        self._live.opened(call_id)

    def resumed(self, _token: str, heard: Sequence[int]) -> None:
        """See Resumable.  All events are sent again, for a whole result."""
        self.begin = min(heard)
        self._known = [at_rate(one - self.begin, self._rate) for one in heard]

    def notify(self, entry: Entry) -> None:
        """See Dialect."""
        self._live.notify(entry)

    def outbox(self) -> list[Message]:
        """See Dialect."""
        return self._live.outbox()

    def report_error(self, error: str, reason: str) -> None:
        """See ErrorReporting."""
        self._live.report_error(error, reason)

    def _placed(self, event: BridgeEvent) -> BridgeEvent:
        match event:
            case CallOpened():
                self._rate = event.rate
                return replace(event, resumable=True, after=0)
            case AudioReceived(channel, pcm) if any(self._known):
                known = min(self._known[channel], len(pcm))
                self._known[channel] -= known
                return AudioReceived(channel, pcm[known:], event.position)
            case _:
                return event
