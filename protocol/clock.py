"""
The call clock: time inside a call, in samples at 8 kHz.

Each call has one clock. It starts with the first sample, is shared by all channels, and continues across gaps,
pauses and reconnects. Seconds and milliseconds are used only in data for other systems.
"""

CALL_RATE = 8_000
"""Samples of the call clock per second; also the sample rate of the telephone network."""

ENGINE_RATE = 16_000
"""Sample rate of the audio for engines, in Hz."""

UPSAMPLING = ENGINE_RATE // CALL_RATE
"""Engine samples for each sample of the call clock."""


def at_rate(position: int, rate: int) -> int:
    """
    Convert a `position` on the call clock to samples at `rate` Hz, rounded up.

    `from_rate` converts the result back to `position` exactly, for every rate of at least `CALL_RATE`.
    """
    return -(-position * rate // CALL_RATE)


def from_rate(position: int, rate: int) -> int:
    """Convert a position in samples at `rate` Hz to the call clock, rounded down."""
    return position * CALL_RATE // rate


def to_ms(samples: int) -> int:
    """Convert samples of the call clock to milliseconds, rounded down."""
    return samples * 1_000 // CALL_RATE


def from_ms(milliseconds: float) -> int:
    """Convert milliseconds to samples of the call clock, rounded to the nearest."""
    return round(milliseconds * CALL_RATE / 1_000)


def to_seconds(samples: int) -> float:
    """Convert samples of the call clock to seconds."""
    return samples / CALL_RATE


def from_seconds(seconds: float) -> int:
    """Convert seconds to samples of the call clock, rounded to the nearest."""
    return round(seconds * CALL_RATE)


def cue_time(milliseconds: int, point: str) -> str:
    """Format a time for subtitles, `hh:mm:ss` and the milliseconds behind `point`: `,` for SRT, `.` for WebVTT."""
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1_000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"
