"""The trials of a search as they go: a live table on a terminal, else a line for each that ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.live import Live
from rich.table import Table

from pipelines.observability.progress import console, events_until_done
from pipelines.observability.stage_monitor import StageMonitor
from pipelines.observability.train_events import Queue
from pipelines.search.space import TuneConfig

STATES = ("waiting", "running", "finished", "diverged", "failed")
_MOST_ROWS = 15


@dataclass
class _Row:
    number: int
    point: Mapping[str, Any]
    state: str = "running"
    epoch: int = 0
    since: float = field(default_factory=time.monotonic)
    figures: Mapping[str, Any] = field(default_factory=dict)


class TrialBoard:
    """Takes what trials tell, and shows it, counts it and writes it to the journal.

    Args:
        name: Of the search, in the journal.
        config: The search.
        seen: The stage's eyes.
    """

    def __init__(self, name: str, config: TuneConfig, seen: StageMonitor) -> None:
        self.name, self.config, self.seen = name, config, seen
        self.total = config.trials
        self._rows: dict[str, _Row] = {}
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
        # What ended without a word was killed, and Ray knows of it: it is not running any more.
        for row in self._rows.values():
            row.state = "failed" if row.state == "running" else row.state
        self._count()

    def follow(self, source: Queue, search: Future[Any]) -> None:
        """Take in what arrives until the search is over and nothing is left to take in."""
        for news in events_until_done(source, [search]):
            if news is not None:
                self.take(news)
            self._show()

    def take(self, news: Mapping[str, Any]) -> None:
        """One piece of news.

        Args:
            news: `trial`, `event` (`started` with `point`, `played` with `epoch`, `failed` with
                `error`, or `ended` with `figures`).
        """
        trial, event = news["trial"], news["event"]
        if event == "started":
            number = self._rows[trial].number if trial in self._rows else len(self._rows) + 1
            self._rows[trial] = _Row(number, news["point"])
        row = self._rows[trial]
        if event == "played":
            row.epoch = news["epoch"]
            self.seen.touch()
        if event == "failed":
            self._end(trial, "failed", {"error": news["error"]})
        if event == "ended":
            figures = news["figures"]
            self._end(trial, "diverged" if figures["diverged"] else "finished", figures)
        self._count()

    def restore(self, trial: str, point: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        """A trial that ended before the search was cut off."""
        state = "diverged" if figures["diverged"] else "finished"
        self._rows[trial] = _Row(len(self._rows) + 1, point, state, figures=figures)
        self._note(trial)
        self._count()

    def _end(self, trial: str, state: str, figures: Mapping[str, Any]) -> None:
        row = self._rows[trial]
        row.state, row.figures = state, figures
        self._note(trial)
        if not console.is_terminal:
            counts = self.counts()
            ended = sum(counts[state] for state in STATES[2:])
            said = _said(figures) or state
            console.print(f"tune: trial {ended} of {self.total}: {said}", highlight=False)

    def _note(self, trial: str) -> None:
        row = self._rows[trial]
        fields = {"state": row.state, "point": dict(row.point), **row.figures}
        self.seen.log_event("trial", fields, run=f"{self.name}/{trial}", number=1)

    def counts(self) -> dict[str, int]:
        """State -> trials in it."""
        counted = Counter(row.state for row in self._rows.values())
        waiting = max(0, self.total - len(self._rows))
        return {state: counted[state] for state in STATES} | {"waiting": waiting}

    def _count(self) -> None:
        counts = self.counts()
        for state, count in counts.items():
            self.seen.set("tune_trials", count, state=state)
        self.seen.done("trials", sum(counts[state] for state in STATES[2:]), self.total)
        seconds = [
            row.figures["seconds"] for row in self._rows.values() if "seconds" in row.figures
        ]
        if seconds:
            self.seen.set("tune_trial_seconds", sum(seconds) / len(seconds))

    def _show(self) -> None:
        if console.is_terminal:
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """Those under way and those that ended last."""
        counts = ", ".join(f"{count} {state}" for state, count in self.counts().items() if count)
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
            state = f"epoch {row.epoch} of {self.config.epochs}"
            state = "attacked" if row.epoch >= self.config.epochs else state
        return [
            str(row.number), state, *(_short(row.point.get(name, "")) for name in names),
            *(_short(row.figures.get(name, "")) for name in ("advantage", "utility")),
            f"{seconds:.0f}",
        ]  # fmt: skip


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _said(figures: Mapping[str, Any]) -> str:
    if "advantage" not in figures or figures.get("diverged"):
        return ""
    return f"advantage {figures['advantage']:.3f}, utility {figures['utility']:.3f}"
