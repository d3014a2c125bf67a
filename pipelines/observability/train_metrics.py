"""Metrics of training steps, reported by each worker every 5 s.

The first worker sends them to the stage over its queue. Every worker sets them in Ray, whose agents
serve the same names (with the prefix `ray_`) on every machine. Reading a loss makes a GPU wait for
the step; so not every step is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ray.util.metrics import Gauge

from pipelines.observability.metrics import METRICS, metric_and_labels
from tiprdc.training.diagnostics import CLUB
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.trainer import Step

Figures = dict[str, float]
_SECONDS_BETWEEN_REPORTS = 5.0


class StepMetrics:
    """Collects steps and reports their metrics at intervals; called after each step.

    Args:
        run: Name of the run, as a label.
        objective: Decides which losses there are.
        workers: Number of workers that train together.
        report: Takes the figures: a key of `METRICS`, with `/network` or `/attribute` if the metric
            has that label -> value.
        every: Seconds between two reports.
    """

    def __init__(
        self,
        run: str,
        objective: ObjectiveConfig,
        workers: int,
        report: Callable[[Figures], None],
        every: float = _SECONDS_BETWEEN_REPORTS,
    ) -> None:
        self.run, self.objective, self.workers = run, objective, workers
        self.report, self.every = report, every
        self._gauges: dict[str, Gauge] = {}
        self._start()

    def _start(self) -> None:
        self._since = time.perf_counter()
        self._steps, self._records, self._waiting, self._seconds = 0, 0, 0.0, 0.0

    def __call__(self, step: Step) -> None:
        """Add a step; report if the interval is over."""
        self._steps += 1
        self._records += step.records
        self._waiting += step.waiting
        self._seconds += step.seconds
        if time.perf_counter() - self._since >= self.every:
            self._report_steps(step)

    def _report_steps(self, step: Step) -> None:
        figures = self._figures(step)
        self._set_in_ray(figures)
        self.report(figures)
        self._start()

    def report_epoch(self, summary: dict[str, float]) -> None:
        """Set an epoch's diagnosis in Ray; the stage receives it with the event `epoch`."""
        self._set_in_ray(club_figures(summary))

    def _figures(self, step: Step) -> Figures:
        losses = {name: float(value) for name, value in step.losses._asdict().items()}
        elapsed = time.perf_counter() - self._since
        return {
            "train_epoch": step.epoch,
            "train_privacy_weight_ratio": step.privacy_weight,
            "train_records_per_second": self._records * self.workers / elapsed,
            "train_step_seconds": self._seconds / self._steps,
            "train_data_wait_ratio": self._waiting / self._seconds if self._seconds else 0.0,
            **loss_figures(losses, self.objective),
        }

    def _set_in_ray(self, figures: Figures) -> None:
        for name, value in figures.items():
            metric, tags = metric_and_labels(name, self.run)
            if metric not in self._gauges:
                entry = METRICS[metric]
                self._gauges[metric] = Gauge(entry.name, entry.help, entry.labels)
            self._gauges[metric].set(value, tags)


def loss_figures(losses: dict[str, float], objective: ObjectiveConfig) -> Figures:
    """Metrics of the losses in use; an unused loss has no metric, rather than a zero.

    Args:
        losses: Field of `tiprdc.training.losses.Losses`, or of `HeadLosses` -> value.
        objective: Decides which losses of the trunk are in use.
    """
    if "kept" in losses:
        return {
            "train_loss/total": losses["total"],
            "train_loss/adversary": losses["adversary"],
            "train_head_kept_ratio": losses["kept"],
            "train_head_confidence_nats": losses["confidence"],
        }
    figures = {
        "train_loss/total": losses["total"],
        "train_loss/critic": -losses["mutual_information"],
        "train_mutual_information_score": losses["mutual_information"],
    }
    if objective.adversaries:
        figures["train_loss/adversary"] = losses["adversary"]
        figures["train_adversary_certainty_ratio"] = losses["certainty"]
    if objective.kernel_adversary and objective.privacy_weight:
        figures["train_explained_variance_ratio"] = losses["explained_variance"]
    if objective.bottleneck:
        figures["train_kl_nats"] = losses["kl"]
    return figures


def club_figures(summary: dict[str, float]) -> Figures:
    """Metrics of the CLUB estimates in an epoch's summary, if it has any."""
    return {
        f"train_club_nats/{name.removeprefix(CLUB)}": value
        for name, value in summary.items()
        if name.startswith(CLUB)
    }
