"""The Prometheus metrics of a gateway.  Labels have few, fixed values: never a call id, never a number."""

from collections.abc import Callable
from dataclasses import asdict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from protocol.clock import to_seconds
from protocol.events import (
    AudioGap,
    CallEnded,
    ChannelTotals,
    Final,
    Partial,
    SegmentDropped,
    SegmentFailed,
    TranscriptEvent,
    Withheld,
)

from .call.segments.drafts import DraftOutcome

_LATENCIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Histogram buckets in seconds; finest where a user begins to notice a delay."""


class GatewayMeter:
    """Counts the events of one gateway.  `registry`: the Prometheus registry of the metrics."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._active = Gauge("trunkline_active_calls", "Calls in progress", registry=registry)
        self._level = Gauge(
            "trunkline_degrade_level",
            "Load level, what is left out: 0 nothing, 1 every other partial, 2 partials, 3 new calls",
            registry=registry,
        )
        self._busy = Gauge(
            "trunkline_gateway_cpu_share",
            "Share of the last second in which the event loop had work; new calls are refused at cpu_limit",
            registry=registry,
        )
        self._accepts = Gauge(
            "trunkline_accepts_calls",
            "1 if a new call would be accepted, else 0",
            registry=registry,
        )
        self._without_worker = Gauge(
            "trunkline_calls_without_worker",
            "Calls in progress whose task no running worker supports",
            registry=registry,
        )
        self._unsettled = Gauge(
            "trunkline_unsettled_segments",
            "Segments that have no terminal event yet",
            registry=registry,
        )
        self._held = Gauge(
            "trunkline_held_audio_bytes",
            "Audio kept in memory until the terminal event of its segment arrives",
            registry=registry,
        )
        self._heartbeat = Gauge(
            "trunkline_heartbeat_age_seconds",
            "Seconds since Redis last accepted the heartbeat; at lost_seconds another gateway adopts the calls",
            registry=registry,
        )
        self._unstored_calls = Gauge(
            "trunkline_unstored_calls",
            "Ended calls whose log is kept in memory until they are stored",
            registry=registry,
        )
        self._unstored_bytes = Gauge(
            "trunkline_unstored_bytes", "Size of the logs of these calls", registry=registry
        )
        self._let_go = Counter(
            "trunkline_calls_let_go_unstored",
            "Ended calls dropped from memory before they were stored (limit unstored_bytes)",
            registry=registry,
        )
        self._memory = Gauge(
            "trunkline_redis_memory_share",
            "Share of the memory limit of Redis that is in use; 0 without a limit",
            registry=registry,
        )
        self._calls = Counter(
            "trunkline_calls",
            "Calls taken: begun, continued, finished for a failed gateway, taken back from an adopter",
            ["dialect", "how"],
            registry=registry,
        )
        self._forwarded = Counter(
            "trunkline_forwarded_streams",
            "Streams of joined calls that were passed on to the process that has their call",
            registry=registry,
        )
        self._refused = Counter(
            "trunkline_connections_rejected",
            "Connections refused before the WebSocket or call was opened",
            ["reason"],
            registry=registry,
        )
        self._warnings = Counter(
            "trunkline_bridge_warnings",
            "Messages and options of bridges that were ignored; their calls go on",
            ["dialect", "code"],
            registry=registry,
        )
        self._segments = Counter(
            "trunkline_segments", "Segments that ended, by outcome", ["outcome"], registry=registry
        )
        self._finals = Histogram(
            "trunkline_final_latency_seconds",
            "Time from the end of the speech of a segment to its final in the event log",
            registry=registry,
            buckets=_LATENCIES,
        )
        self._partials = Histogram(
            "trunkline_partial_latency_seconds",
            "Time from the request for a partial to its arrival",
            registry=registry,
            buckets=_LATENCIES,
        )
        self._drafts = Counter(
            "trunkline_drafts",
            "Drafts of finals: used, late (not done when the segment ended), withdrawn (speech went on)",
            ["outcome"],
            registry=registry,
        )
        self._doubtful = Counter(
            "trunkline_doubtful_drafts",
            "Segments that waited for more speech, because their draft was doubtful",
            registry=registry,
        )
        self._audio = Counter(
            "trunkline_audio_seconds",
            "Audio of ended calls, by account",
            ["bucket"],
            registry=registry,
        )
        self._withheld = Counter(
            "trunkline_withheld_seconds",
            "Segments without words, by the reason for which the words were withheld",
            ["reason"],
            registry=registry,
        )
        self._bytes = Counter(
            "trunkline_audio_bytes", "Audio received, as 16-bit samples", registry=registry
        )
        self._gaps = Counter(
            "trunkline_audio_gap_seconds",
            "Audio that was not transcribed although it may have held speech",
            ["account"],
            registry=registry,
        )

        self._kept = Counter(
            "trunkline_kept_audio_bytes", "Audio written to audio_folder", registry=registry
        )
        self._not_kept = Counter(
            "trunkline_audio_not_kept_seconds",
            "Audio that is missing in kept audio, because the disk was too slow (queue) or failed (disk)",
            ["reason"],
            registry=registry,
        )

    def kept(self, size: int) -> None:
        """Count bytes written to an audio part.  Safe to call from any thread."""
        self._kept.inc(size)

    def not_kept(self, reason: str, seconds: float) -> None:
        """Count audio that could not be kept; `reason`: `queue` or `disk`.  Safe to call from any thread."""
        self._not_kept.labels(reason).inc(seconds)

    def watch(
        self,
        calls: Callable[[], int],
        level: Callable[[], int],
        unsettled: Callable[[], int],
        held_bytes: Callable[[], int],
        heartbeat_age: Callable[[], float] = lambda: 0.0,
        busy: Callable[[], float] = lambda: 0.0,
        accepts: Callable[[], bool] = lambda: True,
    ) -> None:
        """Set the functions that are called when the metrics are read."""
        self._active.set_function(calls)
        self._level.set_function(level)
        self._unsettled.set_function(unsettled)
        self._held.set_function(held_bytes)
        self._heartbeat.set_function(heartbeat_age)
        self._busy.set_function(busy)
        self._accepts.set_function(accepts)

    def without_worker(self, calls: int) -> None:
        """Set the number of calls for whose task there is no living worker."""
        self._without_worker.set(calls)

    def watch_stored(
        self,
        calls: Callable[[], int],
        size: Callable[[], int],
        memory_share: Callable[[], float],
    ) -> None:
        """Set further functions: number and bytes of unstored calls, and the used share of Redis' memory limit."""
        self._unstored_calls.set_function(calls)
        self._unstored_bytes.set_function(size)
        self._memory.set_function(memory_share)

    def let_go(self) -> None:
        """Count an ended call whose log was dropped before storage because the limit was reached."""
        self._let_go.inc()

    def took(self, dialect: str, how: str) -> None:
        """A call: `begun`, `continued`, `orphaned` or `taken_back`."""
        self._calls.labels(dialect, how).inc()

    def forwarded(self) -> None:
        """Count a stream that another process of the gateway has taken."""
        self._forwarded.inc()

    def refused(self, reason: str) -> None:
        """Count a refused connection.  `reason`: a fixed word of this program, never text of the peer."""
        self._refused.labels(reason).inc()

    def warned(self, dialect: str, code: str) -> None:
        """Count ignored input of a bridge.  `code`: a fixed word of this program, never text of the peer."""
        self._warnings.labels(dialect, code).inc()

    def received(self, samples: int) -> None:
        """Count received samples of a bridge."""
        self._bytes.inc(2 * samples)

    def learned(self, event: TranscriptEvent, delay: float | None) -> None:
        """Count a new event of the event log.  `delay`: its latency in seconds; None if it answers no request."""
        match event:
            case Partial():
                _observe(self._partials, delay)
            case Final():
                self._segments.labels("final").inc()
                _observe(self._finals, delay)
                self._withhold(event)
            case SegmentFailed():
                self._segments.labels("failed").inc()
            case SegmentDropped():
                self._segments.labels("dropped").inc()
            case AudioGap(span=span, account=account):
                self._gaps.labels(account.value).inc(to_seconds(span.end - span.start))
            case CallEnded(channels=channels):
                for totals in channels:
                    self._settle(totals)
            case _:
                pass

    def drafted(self, outcome: DraftOutcome, count: int = 1) -> None:
        """Count drafts by what became of them."""
        if count:
            self._drafts.labels(outcome.value).inc(count)

    def waited(self) -> None:
        """Count a segment that waits for more speech, because its draft is doubtful."""
        self._doubtful.inc()

    def _withhold(self, final: Final) -> None:
        if final.is_withheld:
            for reason in Withheld:
                if reason.flag in final.flags:
                    seconds = to_seconds(final.span.end - final.span.start)
                    self._withheld.labels(reason.value).inc(seconds)

    def _settle(self, totals: ChannelTotals) -> None:
        for bucket, samples in asdict(totals).items():
            self._audio.labels(bucket).inc(to_seconds(samples))


def _observe(histogram: Histogram, seconds: float | None) -> None:
    if seconds is not None:
        histogram.observe(max(0.0, seconds))
