"""Counts how often Prometheus reads a stage's metrics, and waits until it has seen the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from pipelines.observability.progress import console

AFTER_SUCCESS, AFTER_BAD_END = 1, 2
"""Scrapes for which a port is served after a stage's end: one shows that it did not vanish, two let
an alert fire."""
_MOST_SECONDS_AFTER = 60.0


class Scrapes(Collector):
    """Counts how often Prometheus reads the metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry, self.count = registry, 0

    def collect(self) -> Iterator[Any]:
        """Every metric."""
        self.count += 1
        yield from self.registry.collect()

    def wait(self, scrapes: int) -> None:
        """Wait for so many scrapes more; not where nobody ever came."""
        if not self.count:
            return
        last, deadline = self.count + scrapes, time.monotonic() + _MOST_SECONDS_AFTER
        console.print(f"metrics: served until {scrapes} more scrapes", highlight=False)
        while self.count < last and time.monotonic() < deadline:
            time.sleep(0.1)
