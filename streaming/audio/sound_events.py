"""What a `ChannelSegmenter` finds in the audio of a channel.  Positions are samples of the call clock (8 kHz)."""

from dataclasses import dataclass, field
from enum import StrEnum

from protocol.audio import Pcm
from protocol.events import Span

from .endpointing import Reason


class VoiceSource(StrEnum):
    """Whose voice a segment has."""

    OWN = "own"
    BACKGROUND = "background"
    """Of a speaker farther away than the channel's own one."""

    CROSSTALK = "crosstalk"
    """Of the other party: it leaks from another channel of the call."""


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """A segment begins.  `start` is shortly before the speech (pre-roll)."""

    number: int
    start: int


@dataclass(frozen=True, slots=True)
class SegmentGrew:
    """The next audio of an open segment: int16 `[n]` at the internal rate."""

    number: int
    pcm: Pcm = field(repr=False)
    speaking: bool = True
    """Whether the last tick was voiced; if not, the segment may close soon."""


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """A segment is complete.  Its audio is the first `samples` samples it grew by, at the internal rate."""

    number: int
    span: Span
    samples: int
    reason: Reason
    source: VoiceSource = VoiceSource.OWN
    padding: int = 0
    """Samples of silence, on the call clock, that the engine gets behind the audio."""


@dataclass(frozen=True, slots=True)
class SegmentPaused:
    """The open segment ends with `span`, unless speech goes on; the fields are those of `SegmentClosed`."""

    number: int
    span: Span
    samples: int
    padding: int = 0


SoundEvent = SegmentOpened | SegmentGrew | SegmentPaused | SegmentClosed
