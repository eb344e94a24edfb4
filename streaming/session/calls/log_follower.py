"""Reads the event log of a call back, for the call and for its bridge."""

from collections.abc import Callable

from broker.event_log.log_reader import LogReader, LogReplacedError
from protocol.events import Entry, LogEntry
from protocol.scheduling.draft_doubts import DraftDoubt

from ...call_store import SupersededError
from ...metrics import GatewayMeter
from .owned_call import OwnedCall


class LogFollower:
    """Passes each entry of the event log to `Call`, and to the bridge if this version can read it."""

    def __init__(
        self,
        owned: OwnedCall,
        log_reader: LogReader,
        notify: Callable[[Entry], None],
        meter: GatewayMeter,
    ) -> None:
        """`notify` is called with each entry for the bridge."""
        self._owned = owned
        self._log_reader = log_reader
        self._notify = notify
        self._meter = meter

    @property
    def seq(self) -> int:
        """The seq of the last entry that was read."""
        return self._log_reader.seq

    def restart(self, log_reader: LogReader) -> None:
        """Continue with another reader."""
        self._log_reader = log_reader

    def detach_bridge(self) -> None:
        """The bridge is gone: notify it no more."""
        self._notify = lambda _: None

    async def run(self) -> None:
        """Read up to the end of the log.  Raises SupersededError if another gateway has continued the call."""
        try:
            async for entry in self._log_reader.entries(self._wait_for_speech):
                call = self._owned.call
                if call.is_of_another(entry):
                    raise SupersededError
                if isinstance(entry, Entry) and call.is_news(entry):
                    self._meter.learned(entry.event, call.waited_for(entry.event))
                self._apply(entry)
        except LogReplacedError as exc:  # only the owner of the call starts a log
            raise SupersededError from exc

    async def read_to_end(self, log_reader: LogReader) -> None:
        """Pass the entries that another gateway wrote up to the end of the call to the bridge."""
        async for entry in log_reader.entries():
            self._apply(entry)

    def _wait_for_speech(self, doubt: DraftDoubt) -> None:
        """Let the segment of a doubtful draft wait for more speech, if it is open and still in that pause."""
        owned, channel = self._owned, doubt.segment.channel
        is_of_call = doubt.log == owned.call.identity.log and channel < len(owned.channels)
        if is_of_call and owned.is_ours and owned.channels[channel].wait(doubt):
            self._meter.waited()

    def _apply(self, entry: LogEntry) -> None:
        self._owned.call.apply(entry)
        self._owned.wake()
        if isinstance(entry, Entry):  # a bridge gets nothing that this version cannot read
            self._notify(entry)
