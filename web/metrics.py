"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """Requests by path and status, their duration, batch sizes, and the requests that are being answered."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "neocog_requests", "Requests, by path and status.", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "neocog_request_seconds", "Duration of requests.", ("path",), buckets=SECONDS, registry=self.registry
        )
        self.batches = Histogram(
            "neocog_batch_requests", "Requests that were predicted together.", buckets=SIZES, registry=self.registry
        )
        self.active = Gauge("neocog_active_requests", "Requests that are being answered.", registry=self.registry)

    def observe(self, path: str, status: int, seconds: float) -> None:
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
