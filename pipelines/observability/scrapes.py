"""Counts how often Prometheus reads a stage's metrics, and waits for it after a bad end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from pipelines.observability.progress import console

_SCRAPES_AFTER, _MOST_SECONDS_AFTER = 2, 60.0
"""For how long a port is served after a bad end."""


class Scrapes(Collector):
    """Counts how often Prometheus reads the metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry, self.count = registry, 0

    def collect(self) -> Iterator[Any]:
        """Every metric."""
        self.count += 1
        yield from self.registry.collect()

    def wait(self) -> None:
        """Wait for two scrapes more, so that alerts see the end; not where nobody ever came."""
        if not self.count:
            return
        last, deadline = self.count + _SCRAPES_AFTER, time.monotonic() + _MOST_SECONDS_AFTER
        console.print(f"metrics: served until {_SCRAPES_AFTER} scrapes more", highlight=False)
        while self.count < last and time.monotonic() < deadline:
            time.sleep(0.1)
