"""
The message by which a worker tells the gateway of a call that the draft of a segment is doubtful.

It goes over the pub/sub channel of the call and into no log.  If it is lost, the segment ends as any other.
"""

from dataclasses import dataclass

from ..events import SegmentId

DOUBT = b"?"
"""First word of the message.  Versions that do not know it ignore the message."""


@dataclass(frozen=True, slots=True)
class DraftDoubt:
    """The speaker has probably not finished what the draft of `segment` has up to `end`, on the call clock."""

    log: str
    """Name of the event log that the draft's job means."""

    segment: SegmentId
    end: int

    def encode(self) -> bytes:
        """Return the message."""
        return f"{DOUBT.decode()} {self.log} {self.segment} {self.end}".encode()

    @classmethod
    def decode(cls, payload: bytes) -> "DraftDoubt | None":
        """Decode a message without its first word; None if it is none of a known version."""
        try:
            log, segment, end = payload.decode().split(" ")
            return cls(log, SegmentId.parse(segment), int(end))
        except ValueError:
            return None
