"""Prometheus metrics of a recorder."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class RecorderMeter:
    """Metrics of one recorder, registered in `registry`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._stored = Counter(
            "trunkline_stored_events", "Events taken from the outbox and stored", registry=registry
        )
        self._aside = Counter(
            "trunkline_quarantined_events",
            "Events that could not be read or stored, moved to the quarantine",
            registry=registry,
        )
        self._failed = Counter(
            "trunkline_store_failures", "Failed attempts to reach the store", registry=registry
        )
        self._expired = Counter(
            "trunkline_expired_calls",
            "Calls deleted because they exceeded the retention time",
            registry=registry,
        )
        self._finished = Counter(
            "trunkline_finished_audio",
            "Calls whose kept audio was made into one file",
            registry=registry,
        )
        self._behind = Gauge(
            "trunkline_recorder_behind_seconds",
            "Age of the oldest event that was stored last",
            registry=registry,
        )
        self._batch = Histogram(
            "trunkline_store_seconds",
            "Duration of one transaction of the store",
            registry=registry,
            buckets=_SECONDS,
        )

    def stored(self, events: int, aside: int, seconds: float) -> None:
        """Count a stored batch: `events` in all, `aside` of them quarantined; the transaction took `seconds`."""
        self._stored.inc(events - aside)
        self._aside.inc(aside)
        self._batch.observe(seconds)

    def behind(self, seconds: float) -> None:
        """Set the age of the oldest event of a batch, in seconds; 0 when the outbox is empty."""
        self._behind.set(seconds)

    def finished_audio(self, calls: int) -> None:
        """Count calls whose kept audio was finished."""
        self._finished.inc(calls)

    def expired(self, calls: int) -> None:
        """Count calls that were deleted because they had expired."""
        self._expired.inc(calls)

    def failed(self) -> None:
        """Count a failure of the store; the batch is tried again."""
        self._failed.inc()
