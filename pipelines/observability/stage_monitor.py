"""Eyes on a stage: its journal and its metrics under one name, from its start to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.cluster import ClusterConfig
from pipelines.observability.event_log import Journal
from pipelines.observability.metrics import Metrics, labelled, offered
from tiprdc.errors import TiprdcError


class StageMonitor:
    """What a stage tells of itself; whatever it says is also a sign of life.

    Args:
        stage: Its name.
        config: Where the journal is, and how metrics are offered.
    """

    def __init__(self, stage: str, config: ClusterConfig) -> None:
        self.stage = stage
        self.journal = Journal(config.log, stage)
        self.metrics = Metrics()

    def set(self, name: str, value: float, **labels: str) -> None:
        """Note a figure (`pipelines/observability/metrics.py`)."""
        self.metrics.set(name, value, **labels)

    def touch(self) -> None:
        """Something was heard from the work."""
        self.set("stage_progress_time_seconds", time.time(), stage=self.stage)

    def done(self, part: str, units: float, total: float) -> None:
        """So much of a part of the work is done."""
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
        """Write a line of the journal, once for each number; whether it was new."""
        self.touch()
        return self.journal.write(event, fields, run=run, number=number)

    def trained(self, run: str, figures: Mapping[str, float]) -> None:
        """Note what a run of training tells after some steps: names as in train_metrics.py."""
        self.touch()
        for name, value in figures.items():
            metric, labels = labelled(name, run)
            self.set(metric, value, **labels)


@contextmanager
def monitor_stage(stage: str, config: ClusterConfig) -> Iterator[StageMonitor]:
    """Say that a stage runs, how it ends, and offer its metrics in between.

    Args:
        stage: Its name in dvc.yaml.
        config: Where the journal is, and how metrics are offered.

    Raises:
        ClusterError: `/metrics` or the file of metrics cannot be offered where it is asked for.
    """
    seen, began = StageMonitor(stage, config), time.time()
    seen.set("stage_start_time_seconds", began, stage=stage)
    seen.set("stage_running", 1, stage=stage)
    seen.touch()
    with offered(seen.metrics, stage, config):
        seen.journal.write("stage started")
        failed = True
        try:
            yield seen
            failed = False
        except BaseException as error:
            # No message: our own hold no record, but another's may.
            where = error.where if isinstance(error, TiprdcError) else None
            seen.journal.write("stage failed", {"error": type(error).__name__, "where": where})
            raise
        finally:
            seconds = time.time() - began
            seen.set("stage_running", 0, stage=stage)
            seen.set("stage_failed", float(failed), stage=stage)
            seen.set("stage_duration_seconds", seconds, stage=stage)
            if not failed:
                seen.set("stage_success_time_seconds", time.time(), stage=stage)
                seen.journal.write("stage finished", {"seconds": seconds})


def nothing_known(mi_estimator: str) -> float:
    """What the critic's estimator gives to a critic that scores everything alike."""
    return -2 * math.log(2) if mi_estimator == "jsd" else 0.0
