"""Show the trials of a search: a live table on a terminal, else a line for each that ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.live import Live
from rich.table import Table

from pipelines.observability.progress import console
from pipelines.observability.stage_monitor import StageMonitor
from pipelines.search.space import TuneConfig
from pipelines.search.trial import DIVERGED, FINISHED, HOPELESS

FAILED = "failed"
STATES = ("waiting", "running", FINISHED, DIVERGED, HOPELESS, FAILED)
_ENDED = STATES[2:]
_MOST_ROWS = 15
_SECONDS_BETWEEN_REFRESHES = 0.5


@dataclass
class _Row:
    number: int
    point: Mapping[str, Any]
    state: str = "running"
    epoch: int = 0
    since: float = field(default_factory=time.monotonic)
    figures: Mapping[str, Any] = field(default_factory=dict)


class TrialTable:
    """State of every trial, for the terminal, the event log and the metrics.

    Args:
        search: Name of the search in the event log.
        config: The search.
        monitor: The stage's monitor.
        epochs: Of a trial, those of its head included.
    """

    def __init__(self, search: str, config: TuneConfig, monitor: StageMonitor, epochs: int) -> None:
        self.search, self.config, self.monitor, self.epochs = search, config, monitor, epochs
        self.total = config.trials
        self._rows: dict[str, _Row] = {}
        self._refreshed = -float("inf")
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
        # The search is over: a trial that did not end was killed with its worker.
        for row in self._rows.values():
            row.state = FAILED if row.state == "running" else row.state
        self._update_metrics()

    def start(self, trial: str, point: Mapping[str, Any]) -> None:
        """A trial starts, or starts again after the loss of its worker.

        Args:
            trial: Its id.
            point: Setting -> value.
        """
        number = self._rows[trial].number if trial in self._rows else self._free_number()
        self._rows[trial] = _Row(number, point)
        self._update_metrics()

    def set_epoch(self, trial: str, epoch: int) -> None:
        """A trial has trained an epoch."""
        self._rows[trial].epoch = epoch
        self.monitor.touch()

    def end(self, trial: str, state: str, figures: Mapping[str, Any]) -> None:
        """A trial has ended; only the first call for it counts.

        Args:
            trial: Its id.
            state: The last four of `STATES`.
            figures: As `trial.run` gives them, or `error` with the name of an exception.
        """
        row = self._rows[trial]
        if row.state != "running":
            return
        row.state, row.figures = state, figures
        self._log(trial)
        self._update_metrics()
        if not console.is_terminal:
            counts = self.counts()
            ended = sum(counts[state] for state in _ENDED)
            text = _format_scores(figures) if state == FINISHED else state
            tried = ", ".join(f"{name} {_format(value)}" for name, value in row.point.items())
            console.print(
                f"tune: {ended} of {self.total} ended: trial {row.number}, {text}; {tried}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip

    def __len__(self) -> int:
        return len(self._rows)

    def restore(
        self, trial: str, number: int, point: Mapping[str, Any], figures: Mapping[str, Any]
    ) -> None:
        """Add a trial that ended before the search was killed, with the number that it had.

        Trials that were running then start again with the numbers that are free, in order.
        """
        self._rows[trial] = _Row(number, point, figures["state"], figures=figures)
        self._log(trial)
        self._update_metrics()

    def _free_number(self) -> int:
        taken = {row.number for row in self._rows.values()}
        return next(number for number in count(1) if number not in taken)

    def _log(self, trial: str) -> None:
        row = self._rows[trial]
        fields = {**row.figures, "state": row.state, "point": dict(row.point)}
        self.monitor.log_event("trial", fields, run=f"{self.search}/{trial}", number=1)

    def counts(self) -> dict[str, int]:
        """State -> number of trials."""
        counted = Counter(row.state for row in self._rows.values())
        waiting = max(0, self.total - len(self._rows))
        return {state: counted[state] for state in STATES} | {"waiting": waiting}

    def _update_metrics(self) -> None:
        counts = self.counts()
        for state, number in counts.items():
            self.monitor.set("tune_trials", number, state=state)
        ended = sum(counts[state] for state in _ENDED)
        self.monitor.set_progress("trials", ended, self.total)
        seconds = [
            row.figures["seconds"] for row in self._rows.values() if "seconds" in row.figures
        ]
        if seconds:
            self.monitor.set("tune_trial_seconds", sum(seconds) / len(seconds))

    def refresh(self) -> None:
        """Draw the table on a terminal, twice a second at most."""
        now = time.monotonic()
        if console.is_terminal and now - self._refreshed >= _SECONDS_BETWEEN_REFRESHES:
            self._refreshed = now
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """The running trials and those that ended last."""
        counts = ", ".join(f"{number} {state}" for state, number in self.counts().items() if number)
        table = Table(title=f"{self.total} trials: {counts}", box=box.SIMPLE_HEAD)
        names = list(self.config.searched())
        for head in ("trial", "state", *names, "advantage", "utility", "seconds"):
            table.add_column(head, justify="right", no_wrap=True)
        rows = sorted(self._rows.values(), key=lambda row: (row.state == "running", row.number))
        for row in rows[-_MOST_ROWS:]:
            table.add_row(*self._cells(row, names))
        return table

    def _cells(self, row: _Row, names: Iterable[str]) -> list[str]:
        state = row.state
        seconds = row.figures.get("seconds", time.monotonic() - row.since)
        if state == "running":
            state = f"epoch {row.epoch} of {self.epochs}"
            state = "attacks" if row.epoch >= self.epochs else state
        return [
            str(row.number), state, *(_format(row.point.get(name, "")) for name in names),
            *(_format(row.figures.get(name, "")) for name in ("advantage", "utility")),
            f"{seconds:.0f}",
        ]  # fmt: skip


def _format(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _format_scores(figures: Mapping[str, Any]) -> str:
    return f"advantage {figures['advantage']:.3f}, utility {figures['utility']:.3f}"
