"""Prometheus metrics of a recorder."""

from prometheus_client import CollectorRegistry, Counter, Histogram

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

    def failed(self) -> None:
        """Count a failure of the store; the batch is tried again."""
        self._failed.inc()
