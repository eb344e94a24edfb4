"""Prometheus metrics of an API process."""

from prometheus_client import CollectorRegistry, Counter


class ApiMeter:
    """Metrics of one API process, registered in `registry`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._refused = Counter(
            "trunkline_api_refused",
            "Requests that were refused before they reached an operation, by reason",
            ["reason"],
            registry=registry or CollectorRegistry(),
        )

    def refused(self, reason: str) -> None:
        """Count a refused request."""
        self._refused.labels(reason).inc()
