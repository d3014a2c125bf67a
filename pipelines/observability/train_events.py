"""Training events: from the first worker over a queue to the stage's event log and metrics.

    started     epoch, resumed, history   from a checkpoint, or a fresh start
    steps       figures                   metrics of the last steps, every few seconds
    epoch       summary                   means over the epoch
    checkpoint  epoch                     the run can resume from here
    waiting     epoch, error              storage is full or gone; the upload is tried again

After the loss of a worker an epoch may be trained and sent again: the event log writes it once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from pipelines.observability.progress import console
from pipelines.observability.stage_monitor import StageMonitor, uninformed_score
from pipelines.observability.train_metrics import Figures, club_figures, loss_figures
from tiprdc.objectives.privacy_budget import LARGEST
from tiprdc.training.objective_config import ObjectiveConfig

_AT_LIMIT = 0.95
"""Share of the largest weight of hiding from which a training ended at it."""


class Queue(Protocol):
    """Both ends of a queue."""

    def put(self, item: Any) -> None: ...

    def get(self, block: bool = ..., timeout: float | None = ...) -> Any: ...


class EventSender:
    """A worker's end of the queue; only the first worker sends.

    Args:
        queue: The stage's queue.
        run: Name of the run.
        first: Whether this is the first worker.
    """

    def __init__(self, queue: Queue, run: str, *, first: bool) -> None:
        self.queue, self.run, self.first = queue, run, first

    def send(self, event: str, epoch: float, **fields: Any) -> None:
        """Send one event."""
        if self.first:
            self.queue.put({"run": self.run, "event": event, "epoch": epoch, **fields})

    def report(self, figures: Figures) -> None:
        """Send the metrics of the last steps."""
        self.send("steps", figures["train_epoch"], figures=figures)


class Run(NamedTuple):
    """A run as the stage knows it.

    Args:
        name: In the event log; it changes with what is trained.
        objective: Decides which losses there are.
        epochs: Epochs in all.
    """

    name: str
    objective: ObjectiveConfig
    epochs: int


class EventReceiver:
    """The stage's end of the queue: writes event log and metrics, gives epochs to progress bars.

    Args:
        queue: The queue that workers send to.
        monitor: The stage's monitor.
        runs: Run, as workers name it -> what the stage knows of it.
    """

    def __init__(
        self,
        queue: Queue,
        monitor: StageMonitor,
        runs: Mapping[str, Run],
    ) -> None:
        self.queue, self.monitor, self.runs = queue, monitor, runs
        self._multiplier: dict[str, float] = {}

    def get(self, block: bool = True, timeout: float | None = None) -> tuple[str, int]:
        """Process the next event; returns (run, epochs done).

        Raises:
            queue.Empty: There is none within the timeout.
        """
        event = self.queue.get(block, timeout)
        getattr(self, f"_{event['event']}")(event["run"], event)
        return event["run"], int(event["epoch"])

    def _started(self, run: str, event: Mapping[str, Any]) -> None:
        objective = self.runs[run].objective
        self.monitor.set_run_metrics(
            run,
            {
                "train_epochs": self.runs[run].epochs,
                "train_epoch": event["epoch"],
                "train_mutual_information_floor_score": uninformed_score(objective.mi_estimator),
            },
        )
        started = {"resumed": event["resumed"], "epoch": event["epoch"]}
        self.monitor.log_event("started", started, run=self.runs[run].name)
        # Epochs that were trained but not logged when the stage was killed.
        for summary in event["history"]:
            self._log_epoch(run, summary)

    def _steps(self, run: str, event: Mapping[str, Any]) -> None:
        self.monitor.set_run_metrics(run, event["figures"])

    def _epoch(self, run: str, event: Mapping[str, Any]) -> None:
        summary = event["summary"]
        self._log_epoch(run, summary)
        figures = {
            "train_epoch": summary["epoch"],
            "train_privacy_weight_ratio": summary["privacy_weight"],
            "train_records_per_second": summary["records_per_second"],
            "train_step_seconds": summary["seconds"] / summary["steps"],
            "train_data_wait_ratio": summary["waiting_seconds"] / summary["seconds"],
            **loss_figures(summary, self.runs[run].objective),
            **club_figures(summary),
        }
        self.monitor.set_run_metrics(run, figures)
        self.monitor.set_progress(run, summary["epoch"], self.runs[run].epochs)

    def _checkpoint(self, run: str, event: Mapping[str, Any]) -> None:
        self.monitor.set_run_metrics(run, {"train_checkpoint_time_seconds": time.time()})
        self.monitor.log_event("checkpoint", run=self.runs[run].name, number=int(event["epoch"]))

    def _waiting(self, run: str, event: Mapping[str, Any]) -> None:
        fields = {"error": event["error"]}
        if self.monitor.log_event(
            "waiting", fields, run=self.runs[run].name, number=int(event["epoch"])
        ):
            console.print(
                f"{run}: epoch {int(event['epoch'])} waits for storage: {event['error']}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip

    def _log_epoch(self, run: str, summary: Mapping[str, float]) -> None:
        fields = {name: value for name, value in summary.items() if name != "epoch"}
        name, number = self.runs[run].name, int(summary["epoch"])
        self.monitor.log_event("epoch", fields, run=name, number=number)
        # Epochs of the head have none.
        self._multiplier[run] = summary.get("multiplier", self._multiplier.get(run, 0.0))
        if number == self.runs[run].epochs and self._multiplier[run] > _AT_LIMIT * LARGEST:
            self._warn_of_budget(run)

    def _warn_of_budget(self, run: str) -> None:
        """The weight of hiding rose as far as it can: more leaks than the budget allows."""
        budget = self.runs[run].objective.budget
        self.monitor.log_event("budget not reached", {"budget": budget}, run=self.runs[run].name)
        console.print(
            f"{run}: train.objective.budget ({budget:g}) was not reached: the weight of hiding"
            " ended at its largest value. Fewer train.extractor.features leak less; more people, or"
            " a larger budget, need less weight.",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
