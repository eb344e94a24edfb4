"""The events of one call in its ledger: those that this gateway logs, and those read back from the event log."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from protocol.events import (
    AudioGap,
    AudioKept,
    CallEnded,
    CardAdded,
    DtmfPressed,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    LogEntry,
    LoggedEvent,
    MarkReached,
    Partial,
    SegmentRevised,
    UnreadEntry,
)
from protocol.events.event_codec import decode_entry, encode_event

from .event_keys import name_of, name_of_unread
from .ledger import Ledger, LogEvent
from .marks import Marks


class CallEvents:
    """Adds events to the ledger under their keys, and keeps the bytes of entries as they were written."""

    def __init__(self, ledger: Ledger, marks: Marks) -> None:
        """`marks`: their answers are numbered."""
        self._ledger = ledger
        self._marks = marks
        self._withheld: Counter[int] = Counter()

    def log(self, event: LoggedEvent) -> None:
        """Add an event of this gateway, to be written to the event log."""
        self._ledger.log(self._name_of(event), encode_event(event))

    def log_unwritten(self, pending: Iterable[LogEvent]) -> list[str]:
        """
        Log events of the former state of this call that the event log lacks, except those of segments.

        `pending`: as `Ledger.pending`.  Returns the names of answered marks among them.
        """
        said = {event.name for event in self._ledger.known}
        answers: list[str] = []
        for unsaid in pending:
            match decode_entry(None, unsaid.payload):
                case Entry(MarkReached(name)):
                    answers.append(name)
                case Entry(
                    KeywordsApplied()
                    | AudioGap()
                    | AudioKept()
                    | DtmfPressed()
                    | LineWarning()
                    | CardAdded()
                ):
                    if unsaid.name not in said:
                        self._ledger.log(unsaid.name, unsaid.payload)
                case _:
                    pass
        return answers

    def keep(self, entry: LogEntry) -> None:
        """Keep the bytes of an entry as they were written, for a Redis that loses its data."""
        if isinstance(entry, UnreadEntry):
            self._ledger.apply(name_of_unread(entry), entry.payload)
        elif not isinstance(entry.event, Partial):
            self._ledger.apply(self._name_of(entry.event), entry.payload)
            if isinstance(entry.event, Final):
                self._count_withheld(entry.event)
            if isinstance(entry.event, SegmentRevised):
                final = entry.event.final
                self._ledger.replace(str(final.segment), encode_event(final))

    def with_withheld(self, ended: CallEnded) -> CallEnded:
        """Return the last event of the call, with segments whose words were all withheld counted as `withheld`."""
        totals = [
            totals.withhold(self._withheld[channel])
            for channel, totals in enumerate(ended.channels)
        ]
        return replace(ended, channels=tuple(totals))

    def _count_withheld(self, final: Final) -> None:
        if final.is_withheld:
            self._withheld[final.segment.channel] += final.span.end - final.span.start

    def _name_of(self, event: LoggedEvent) -> str:
        return name_of(event, self._marks.known)
