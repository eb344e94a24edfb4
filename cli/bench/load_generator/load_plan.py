"""What a generator process is told, and what it reports: JSON over its pipes."""

import msgspec


class LoadPlan(msgspec.Struct, frozen=True):
    """What one generator process plays.  Times are seconds of CLOCK_MONOTONIC, which all processes share."""

    url: str
    dialect: str
    audio: str
    """File with two channels of mu-law at 8 kHz, one behind the other."""

    calls: int
    """0: only the probe."""

    begins: float
    """When the first call is opened."""

    spread: float
    """Seconds over which the calls are opened."""

    measured_from: float
    ends: float
    """When the bridges hang up."""

    settle: float
    """Longest wait for the last finals after that, in seconds."""

    tail_ms: float
    """From the end of a segment to the moment when the gateway may decide that it has ended."""

    first: int = 0
    """Number of calls in the processes before this one: each call starts at another place of the recording."""

    key: str = ""
    probe: bool = False
    listens: bool = False
    """Whether a listener follows each call whose dialect sends no results to the bridge."""


class CallReport(msgspec.Struct):
    """One call that the gateway accepted."""

    opened: float
    """Seconds after `begins`."""

    sent_ms: float = 0.0
    """Audio that was sent on each channel."""

    heard_ms: float | None = None
    """Audio that the gateway accounted for; None if its dialect does not say."""

    finals: int = 0
    ended: str = ""
    """Reason of the end; empty if the gateway never ended the call."""

    error: str = ""
    lost: list[str] = []  # msgspec copies it for each value
    levels: list[str] = []
    """Load levels that the gateway told this call, in order."""


class LoadReport(msgspec.Struct):
    """What one generator has seen.  Times in milliseconds; lists hold every value of the measured window."""

    frames: int = 0
    open_calls: int = 0
    """Calls in progress when the measured window began."""

    lateness: list[float] = []
    """How late the generator itself was with frames."""

    probe_lateness: list[float] = []
    """How late it was with probes."""

    lag: list[float] = []
    """From the scheduled time of a probe to its answer; probes without answer count as long as they waited."""

    final: list[float] = []
    """From the end of the hang-over of a segment to its final."""

    added: list[float] = []
    """The same without the time in the engine and in its queue."""

    partial: list[float] = []
    """From the last sample that a partial covers to its arrival."""

    calls: list[CallReport] = []
    refused: dict[str, int] = {}
    """Refusals by reason, of calls that were then tried again."""

    cpu_s: float = 0.0
