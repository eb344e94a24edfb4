"""
Time inside a call: samples of the 8 kHz call clock.

One clock per call, started with its first sample, shared by all channels, going on across gaps, pauses and
reconnects.  Seconds and milliseconds exist only where bytes are written for somebody else.
"""

CALL_RATE = 8_000
"""Ticks of the call clock in a second; also the sample rate of the telephone network."""

ENGINE_RATE = 16_000
"""Samples in a second of the audio that engines take."""

UPSAMPLING = ENGINE_RATE // CALL_RATE
"""Engine samples for each sample of the call clock."""


def at_rate(position: int, rate: int) -> int:
    """
    Sample at `rate` Hz for `position` on the call clock, rounded up.

    `from_rate` of the result is `position` again, for every rate from `CALL_RATE` on.
    """
    return -(-position * rate // CALL_RATE)


def from_rate(position: int, rate: int) -> int:
    """Position on the call clock of a sample at `rate` Hz, rounded down."""
    return position * CALL_RATE // rate


def to_ms(samples: int) -> int:
    """Milliseconds of a position or duration on the call clock, rounded down."""
    return samples * 1_000 // CALL_RATE


def from_ms(milliseconds: float) -> int:
    """Samples of the call clock in a duration of `milliseconds`."""
    return round(milliseconds * CALL_RATE / 1_000)


def to_seconds(samples: int) -> float:
    """Seconds of a position or duration on the call clock."""
    return samples / CALL_RATE


def from_seconds(seconds: float) -> int:
    """Samples of the call clock in a duration of `seconds`."""
    return round(seconds * CALL_RATE)
