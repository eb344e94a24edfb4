"""Prometheus metrics of a worker.  The set of label values is small and fixed: no call ids, no text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from protocol.events import Timing

from .engines.base import Effort
from .job_queue import Outcome

_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class WorkerMeter:
    """The metrics of one worker, registered in `registry`; in a registry of its own if that is None."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._results = Counter(
            "trunkline_results",
            "Finals that were settled, by outcome",
            ["outcome"],
            registry=registry,
        )
        self._dead = Counter(
            "trunkline_dead_letters",
            "Finals that were given up; their call gets segment.failed",
            registry=registry,
        )
        self._retried = Counter(
            "trunkline_segments_retried",
            "Finals taken over after another worker stopped extending its lease",
            registry=registry,
        )
        self._stale = Counter(
            "trunkline_partials_dropped",
            "Partials dropped before transcription, because a newer one followed",
            registry=registry,
        )
        self._lost = Counter(
            "trunkline_draft_lost_seconds",
            "Engine time of drafts that did not become finals",
            registry=registry,
        )
        self._waited = Histogram(
            "trunkline_queue_seconds",
            "Time from the queueing of a job to its start in the engine",
            ["lane"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._engine = Histogram(
            "trunkline_engine_seconds",
            "Time in the engine, for one segment",
            ["lane"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._batch = Histogram(
            "trunkline_batch_segments",
            "Segments in one step of the engine",
            registry=registry,
            buckets=_BATCHES,
        )
        self._busy = Counter(
            "trunkline_engine_busy_seconds", "Time in which the engine worked", registry=registry
        )
        self._speech = Counter(
            "trunkline_speech_seconds", "Duration of speech that was transcribed", registry=registry
        )
        self._capacity = Gauge(
            "trunkline_capacity",
            "Recent seconds of speech transcribed per second of engine time",
            registry=registry,
        )

    def claimed(self, deliveries: int) -> None:
        """Count a final that was claimed for the `deliveries`-th time."""
        if deliveries > 1:
            self._retried.inc()

    def dropped(self, partials: int) -> None:
        """Count partials that were dropped because newer ones follow."""
        self._stale.inc(partials)

    def lost(self, ms: int) -> None:
        """Count engine time in ms of a draft that is not used."""
        self._lost.inc(ms / 1_000)

    def stepped(self, segments: int, speech: float, seconds: float) -> None:
        """Record a step of the engine: `segments` in it, `speech` seconds of audio finished, `seconds` spent."""
        self._batch.observe(segments)
        self._busy.inc(seconds)
        self._speech.inc(speech)

    def answered(self, effort: Effort, timing: Timing) -> None:
        """Record the waiting time and engine time of a segment that the engine has finished."""
        job_stream = f"{effort}s"
        self._waited.labels(job_stream).observe(timing.waited_ms / 1_000)
        self._engine.labels(job_stream).observe(timing.engine_ms / 1_000)

    def settled(self, outcome: Outcome) -> None:
        """Count the outcome of committing the terminal event of a final."""
        self._results.labels(outcome.value).inc()

    def gave_up(self, outcome: Outcome) -> None:
        """Count a final whose terminal event is `segment.failed`."""
        if outcome is Outcome.RECORDED:
            self._dead.inc()
        self.settled(outcome)

    def is_at(self, capacity: float | None) -> None:
        """Set the capacity that is reported to the gateways; None counts as 0."""
        self._capacity.set(capacity or 0.0)
