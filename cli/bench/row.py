"""The figures of one measurement.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .load_generator.load_plan import CallReport, LoadReport
from .percentiles import percentile

_TOLD = ("HTTP 503", "HTTP 429", "told to try again")
"""Refusals that say so."""

_ENDINGS = ("completed", "stop", "closed")
"""Reasons of an end that the bridge wanted."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is played.  `warm_up` and `seconds`: line quality costs more in the first 10 s of a call."""

    dialect: str
    calls: int
    audio: str
    """`speech` or `silence`."""

    warm_up: float
    seconds: float
    listens: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server and Redis used in the measured window; nan where that is not known."""

    cpu_s: float = float("nan")
    waited_s: float = float("nan")
    """Time in which the server was ready to run, but other programs had its core."""

    wall_s: float = float("nan")
    rss_mb: float = float("nan")
    rss_empty_mb: float = float("nan")
    commands: Mapping[str, int] | None = None
    """Commands that Redis performed, those inside of scripts included."""

    bytes_in: int = 0
    """Bytes that Redis received, from gateway and worker."""

    bytes_out: int = 0
    workers_cpu_s: float = float("nan")
    """CPU time of all workers."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of `count` values, in milliseconds; nan without values."""

    p50: float
    p95: float
    p99: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the percentiles of these values."""
        p50, p95, p99 = (round(percentile(values, share), 2) for share in (0.5, 0.95, 0.99))
        return cls(p50, p95, p99, len(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One load against one server.  Times in milliseconds."""

    server: str
    load: Load
    held: int
    """Calls in progress when the measured window began."""

    us_per_frame: float
    """CPU time of the server for each stereo frame, in microseconds."""

    busy: float
    """Share of a core."""

    starved: float
    """Share of the time in which it was ready to run, but other programs had its core: they cause lag as well."""

    lag: Spread
    """How long a frame waits for the server."""

    lateness: Spread
    """How late frames were sent: what comes later in bursts waits longer."""

    probe_lateness: Spread
    """How late probes were sent: lag below it means nothing."""

    final: Spread
    """From the end of the hang-over of a segment to its final; `added`: without engine and its queue."""

    added: Spread
    partial: Spread
    """From the last sample that a partial covers to its arrival."""

    rss_mb: float
    kb_per_call: float
    redis_commands: float
    """Commands for each second of each call; `redis_kb_in`, `redis_kb_out`: the same for KB."""

    redis_kb_in: float
    redis_kb_out: float
    accepted: int
    refused_told: int
    refused_untold: int
    lost: tuple[str, ...]
    """What was lost of accepted calls, in words; empty if nothing was."""

    shed_partials: int
    """Accepted calls that were told that partials were left out for a while."""

    by_command: Mapping[str, float]
    workers_s_per_call_minute: float
    """CPU seconds of all workers for each minute of each call."""

    @property
    def is_void(self) -> bool:
        """Whether the probe itself was too late for the lag to mean anything."""
        return self.lag.count > 0 and self.probe_lateness.p99 > max(5.0, self.lag.p50)


def row_of(server: str, load: Load, report: LoadReport, usage: Usage) -> Row:
    """Summarise one measurement."""
    call_seconds = max(report.frames / 50, 1e-9)
    commands = sorted((usage.commands or {}).items(), key=lambda one: -one[1])
    by_command = {name: round(count / call_seconds, 2) for name, count in commands if count}
    told = sum(report.refused.get(reason, 0) for reason in _TOLD)
    accepted = len(report.calls)
    return Row(
        server,
        load,
        report.open_calls,
        round(1e6 * usage.cpu_s / max(report.frames, 1), 1),
        round(usage.cpu_s / usage.wall_s, 3),
        round(usage.waited_s / usage.wall_s, 3),
        Spread.of(report.lag),
        Spread.of(report.lateness),
        Spread.of(report.probe_lateness),
        Spread.of(report.final),
        Spread.of(report.added),
        Spread.of(report.partial),
        round(usage.rss_mb, 1),
        round(1e3 * (usage.rss_mb - usage.rss_empty_mb) / max(report.open_calls, accepted, 1), 1),
        round(sum(by_command.values()), 1),
        round(usage.bytes_in / 1e3 / call_seconds, 1),
        round(usage.bytes_out / 1e3 / call_seconds, 1),
        accepted,
        told,
        sum(report.refused.values()) - told,
        tuple(fault for call in report.calls for fault in faults_of(call)),
        sum(any("partials" in level for level in call.levels) for call in report.calls),
        by_command,
        round(60 * usage.workers_cpu_s / call_seconds, 2),
    )


def faults_of(call: CallReport) -> list[str]:
    """What an accepted call has lost; empty if nothing."""
    faults = [*call.lost]
    if call.error:
        faults.append(f"connection: {call.error}, after {call.sent_ms / 1_000:.1f} s of audio")
    if not call.ended:
        faults.append("its end never came")
    elif call.ended not in _ENDINGS:
        faults.append(f"ended by the gateway: {call.ended}")
    elif call.heard_ms is not None and abs(call.heard_ms - call.sent_ms) > 1:
        faults.append(f"{call.sent_ms - call.heard_ms:.0f} ms of audio are in no account")
    return faults


def merged(reports: Sequence[LoadReport]) -> LoadReport:
    """Add the reports of several generators."""
    total = LoadReport()
    for one in reports:
        total.frames += one.frames
        total.open_calls += one.open_calls
        total.cpu_s += one.cpu_s
        for name in ("lateness", "probe_lateness", "lag", "final", "added", "partial", "calls"):
            getattr(total, name).extend(getattr(one, name))
        for reason, count in one.refused.items():
            total.refused[reason] = total.refused.get(reason, 0) + count
    return total
