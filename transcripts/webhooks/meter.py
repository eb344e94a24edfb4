"""Prometheus metrics of webhooks."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class WebhookMeter:
    """Metrics of one sender, registered in `registry`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._attempts = Counter(
            "trunkline_webhook_attempts",
            "Requests to webhooks, by outcome: delivered, failed (sent again), given_up",
            ["outcome"],
            registry=registry,
        )
        self._disabled = Counter(
            "trunkline_webhook_disabled",
            "Endpoints that were disabled because they failed for days or answered 410",
            registry=registry,
        )
        self._waiting = Gauge(
            "trunkline_webhook_waiting",
            "Deliveries to enabled endpoints that wait, of all recorders",
            registry=registry,
        )
        self._oldest = Gauge(
            "trunkline_webhook_oldest_seconds",
            "Age of the oldest delivery that waits at an enabled endpoint",
            registry=registry,
        )
        self._dropped = Gauge(
            "trunkline_webhook_dropped_events",
            "Events that were not queued because 10,000 deliveries of their endpoint waited",
            registry=registry,
        )

    def attempted(self, outcome: str, number: int = 1) -> None:
        """Count attempts by their outcome."""
        self._attempts.labels(outcome).inc(number)

    def disabled(self) -> None:
        """Count an endpoint that was disabled."""
        self._disabled.inc()

    def backlog(self, waiting: int, seconds: float, dropped: int) -> None:
        """Set what waits at all endpoints; `seconds`: age of the oldest."""
        self._waiting.set(waiting)
        self._oldest.set(seconds)
        self._dropped.set(dropped)
