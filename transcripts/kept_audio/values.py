"""What the store knows of kept audio."""

from dataclasses import dataclass, field

from protocol.events import Span


@dataclass(frozen=True, slots=True)
class StoredPart:
    """An audio part.  `key`: wrapped."""

    name: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnfinishedAudio:
    """The parts of an ended call, in the order of its log, of which no file has been made yet."""

    call: int
    """Number of the call in the store."""

    call_id: str
    channels: int
    duration: int
    """Samples of the call clock."""

    parts: tuple[StoredPart, ...]
    redacted: tuple[Span, ...]
    """Where data was redacted, or where it could not be checked what was said."""

    redactions: int = 0
    """How many spans were redacted."""


@dataclass(frozen=True, slots=True)
class KeptAudio:
    """The finished audio of a call.  `key`: wrapped; `size`: plain bytes."""

    file: str
    key: bytes = field(repr=False)
    size: int = 0


@dataclass(frozen=True, slots=True)
class StaleAudio:
    """The finished audio of a call of which data was redacted later."""

    call: int
    """Number of the call in the store."""

    call_id: str
    kept: KeptAudio
    redacted: tuple[Span, ...]
    """All redacted spans."""


MEDIA_TYPE = "audio/ogg"
"""Of finished audio: Opus in Ogg."""


def part_file(name: str) -> str:
    """Return the file name of a part."""
    return f"{name}.part"


def finished_file(name: str) -> str:
    """Return the file name of finished audio."""
    return f"{name}.audio"
