"""Prometheus metrics of an analyser."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


class AnalyserMeter:
    """Metrics of one analyser, registered in `registry`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._failed = Counter(
            "trunkline_analysis_failures",
            "Failed attempts to analyse a call, calls given up, and failures of the store",
            ["kind"],
            registry=registry,
        )
        self._seconds = Histogram(
            "trunkline_analysis_seconds",
            "Time that the model took for a call",
            registry=registry,
            buckets=_SECONDS,
        )

    def done(self, seconds: float) -> None:
        """Count a call that was analysed."""
        self._seconds.observe(seconds)

    def failed(self, kind: str) -> None:
        """Count a failure: `attempt`, `given_up` or `store`."""
        self._failed.labels(kind).inc()
