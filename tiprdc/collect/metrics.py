"""What the collector counts for Prometheus: no label is about a device or a contributor."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FAULTS = ("database", "fault")
"""Reasons of refusals that are the collector's own."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CollectorMetrics:
    """The metrics of one collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.batches = Counter(
            "tiprdc_collector_batches", "Batches that were acknowledged", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.records = Counter(
            "tiprdc_collector_records", "Records that were stored", registry=self.registry
        )
        self.refused = Counter(
            "tiprdc_collector_refused", "Requests that were refused", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        for reason in FAULTS:
            # Prometheus sees no increase of a series that begins with its first fault.
            self.refused.labels(reason)
        self.deletions = Counter(
            "tiprdc_collector_deletions", "Deletions of a contributor", registry=self.registry
        )
        self.seconds = Histogram(
            "tiprdc_collector_batch_seconds", "From the start of a batch to its answer",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.blocked = Gauge(
            "tiprdc_collector_release_blocked", "1 if the version is deprecated",
            registry=self.registry,
        )  # fmt: skip
        self.registry_errors = Counter(
            "tiprdc_collector_registry_errors", "Times that the registry could not be read",
            registry=self.registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)
