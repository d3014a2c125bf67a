"""News of a run of training: what its first worker puts into a queue, what the stage makes of it.

    started     epoch, resumed, history   from a checkpoint or afresh
    beat        figures                   every few seconds (train_metrics.py)
    epoch       summary                   the epoch's means
    checkpoint  epoch                     it can be gone on from there
    waiting     epoch, error              storage is full or gone; tried again and again

A worker that was lost plays an epoch again that was told already: the journal takes it once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from pipelines.observability.progress import console
from pipelines.observability.stage_monitor import StageMonitor, nothing_known
from pipelines.observability.train_metrics import Figures, diagnosed, of_players
from tiprdc.training.objective_config import ObjectiveConfig


class Queue(Protocol):
    """Both ends of a queue."""

    def put(self, item: Any) -> None: ...

    def get(self, block: bool = ..., timeout: float | None = ...) -> Any: ...


class EventSender:
    """The worker's end, silent on all workers but the first.

    Args:
        queue: Where to.
        run: Name of the run.
        first: Whether this is the first worker.
    """

    def __init__(self, queue: Queue, run: str, *, first: bool) -> None:
        self.queue, self.run, self.first = queue, run, first

    def tell(self, event: str, epoch: float, **fields: Any) -> None:
        """Send one piece of news."""
        if self.first:
            self.queue.put({"run": self.run, "event": event, "epoch": epoch, **fields})

    def report(self, figures: Figures) -> None:
        """Send a pulse."""
        self.tell("beat", figures["train_epoch"], figures=figures)


class EventReceiver:
    """The stage's end: journal and metrics, and epochs done for the bars.

    Args:
        queue: Where from.
        seen: The stage's eyes.
        runs: Run -> its name in the journal, which changes with what is trained, and its rules.
        epochs: How many are wanted.
    """

    def __init__(
        self,
        queue: Queue,
        seen: StageMonitor,
        runs: Mapping[str, tuple[str, ObjectiveConfig]],
        epochs: int,
    ) -> None:
        self.queue, self.seen, self.epochs = queue, seen, epochs
        self.names = {run: name for run, (name, _) in runs.items()}
        self.games = {run: game for run, (_, game) in runs.items()}

    def get(self, block: bool = True, timeout: float | None = None) -> tuple[str, int]:
        """The next piece of news as (run, epochs done); raises queue.Empty as the queue does."""
        news = self.queue.get(block, timeout)
        getattr(self, f"_{news['event']}")(news["run"], news)
        return news["run"], int(news["epoch"])

    def _started(self, run: str, news: Mapping[str, Any]) -> None:
        game = self.games[run]
        self.seen.trained(
            run,
            {
                "train_epochs": self.epochs,
                "train_epoch": news["epoch"],
                "train_mutual_information_floor_score": nothing_known(game.mi_estimator),
            },
        )
        started = {"resumed": news["resumed"], "epoch": news["epoch"]}
        self.seen.log_event("started", started, run=self.names[run])
        # What was played but not written when the stage was killed.
        for summary in news["history"]:
            self._write(run, summary)

    def _beat(self, run: str, news: Mapping[str, Any]) -> None:
        self.seen.trained(run, news["figures"])

    def _epoch(self, run: str, news: Mapping[str, Any]) -> None:
        summary = news["summary"]
        self._write(run, summary)
        figures = {
            "train_epoch": summary["epoch"],
            "train_privacy_weight_ratio": summary["privacy_weight"],
            "train_records_per_second": summary["records_per_second"],
            "train_step_seconds": summary["seconds"] / summary["steps"],
            "train_data_wait_ratio": summary["waiting_seconds"] / summary["seconds"],
            **of_players(summary, self.games[run]),
            **diagnosed(summary),
        }
        self.seen.trained(run, figures)
        self.seen.done(run, summary["epoch"], self.epochs)

    def _checkpoint(self, run: str, news: Mapping[str, Any]) -> None:
        self.seen.trained(run, {"train_checkpoint_time_seconds": time.time()})
        self.seen.log_event("checkpoint", run=self.names[run], number=int(news["epoch"]))

    def _waiting(self, run: str, news: Mapping[str, Any]) -> None:
        fields = {"error": news["error"]}
        if self.seen.log_event("waiting", fields, run=self.names[run], number=int(news["epoch"])):
            console.print(
                f"{run}: epoch {int(news['epoch'])} waits for storage: {news['error']}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip

    def _write(self, run: str, summary: Mapping[str, float]) -> None:
        fields = {name: value for name, value in summary.items() if name != "epoch"}
        self.seen.log_event("epoch", fields, run=self.names[run], number=int(summary["epoch"]))
