"""Counters for Prometheus; none of them says anything about a patient."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Those of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "anylead_requests", "Requests by path and status.", ["path", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "anylead_request_seconds", "Time to the answer.", ["path"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.recordings = Counter(
            "anylead_recordings", "Recordings that were read.", registry=self.registry
        )
        self.batches = Histogram(
            "anylead_batch_recordings", "Recordings of a forward pass.",
            buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "anylead_waiting_recordings", "Recordings before the model.", registry=self.registry
        )

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        return generate_latest(self.registry)
