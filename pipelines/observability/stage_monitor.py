"""Monitor a stage from start to end: event log and metrics behind one object."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.event_log import EventLog
from pipelines.observability.metrics import Metrics, export_metrics, metric_and_labels
from tiprdc.errors import TiprdcError


class StageMonitor:
    """Metrics and event log of a stage; each call is also a sign of life.

    Args:
        stage: Name of the stage.
        config: Where the event log is, and how metrics are exported.
    """

    def __init__(self, stage: str, config: ClusterConfig) -> None:
        self.stage = stage
        self.event_log = EventLog(config.log, stage)
        self.metrics = Metrics()

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a metric (`pipelines/observability/metrics.py`)."""
        self.metrics.set(name, value, **labels)

    def touch(self) -> None:
        """Record a sign of life."""
        self.set("stage_progress_time_seconds", time.time(), stage=self.stage)

    def set_progress(self, part: str, units: float, total: float) -> None:
        """Record that `units` of `total` units of a part of the work are done."""
        self.touch()
        self.set("stage_done_ratio", units / total if total else 1.0, stage=self.stage, part=part)

    def log_event(
        self,
        event: str,
        fields: Mapping[str, Any] | None = None,
        *,
        run: str = "",
        number: int | None = None,
    ) -> bool:
        """Write a line of the event log, once for each number; returns whether it is new."""
        self.touch()
        return self.event_log.write(event, fields, run=run, number=number)

    def set_run_metrics(self, run: str, figures: Mapping[str, float]) -> None:
        """Set metrics of a training run; names as in train_metrics.py."""
        self.touch()
        for name, value in figures.items():
            metric, labels = metric_and_labels(name, run)
            self.set(metric, value, **labels)


@contextmanager
def monitor_stage(stage: str, config: ClusterConfig) -> Iterator[StageMonitor]:
    """Record that a stage runs and how it ends, and export its metrics meanwhile.

    Args:
        stage: Name of the stage in dvc.yaml.
        config: Where the event log is, and how metrics are exported.

    Raises:
        ClusterError: The port of `/metrics` is taken, or the file of metrics cannot be written.
    """
    monitor, began = StageMonitor(stage, config), time.time()
    monitor.set("stage_start_time_seconds", began, stage=stage)
    monitor.set("stage_running", 1, stage=stage)
    monitor.touch()
    with export_metrics(monitor.metrics, stage, config):
        monitor.event_log.write("stage started")
        failed = True
        try:
            yield monitor
            failed = False
        except BaseException as error:
            # No message: ours contain no record, but those of a library may.
            where = error.where if isinstance(error, TiprdcError) else None
            monitor.event_log.write("stage failed", {"error": type(error).__name__, "where": where})
            raise
        finally:
            seconds = time.time() - began
            monitor.set("stage_running", 0, stage=stage)
            monitor.set("stage_failed", float(failed), stage=stage)
            monitor.set("stage_duration_seconds", seconds, stage=stage)
            if not failed:
                monitor.set("stage_success_time_seconds", time.time(), stage=stage)
                monitor.event_log.write("stage finished", {"seconds": seconds})


def uninformed_score(mi_estimator: str) -> float:
    """The estimator's value for a critic that gives every pair the same score."""
    return -2 * math.log(2) if mi_estimator == "jsd" else 0.0
