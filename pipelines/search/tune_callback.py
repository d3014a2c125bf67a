"""Pass Ray Tune's events (trial started, reported, failed) to the table of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray.tune import Callback, ResultGrid

from pipelines.search.trial_table import FAILED, TrialTable

FIGURES = (
    "advantage", "advantage_low", "advantage_high",
    "utility", "utility_low", "utility_high", "kept", "state", "seconds",
)  # fmt: skip
"""Keys of a trial's last report that are its result."""
POINT = "point"
"""Key of a trial's configuration that holds the whole point, if the sampler did not make it."""
_latest: list[Callback] = []


def sampled_point(configuration: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The settings and the seed of a trial, from Tune's configuration of it."""
    return {"seed": seed, **configuration.get(POINT, configuration)}


def restore_trials(table: TrialTable, results: ResultGrid, searched: Iterable[str]) -> None:
    """Add the trials that ended before a search was killed to the table, with their numbers.

    Args:
        table: Has the trials of earlier searches of the same table.
        results: Of all trials that were started, in that order.
        searched: Settings that the search varies.
    """
    names, first = [*searched, "seed"], len(table) + 1
    for number in range(len(results)):
        metrics = results[number].metrics or {}
        if "state" in metrics:
            point = {name: metrics[name] for name in names}
            figures = {name: metrics[name] for name in FIGURES}
            table.restore(metrics["trial_id"], first + number, point, figures)


class TableCallback(Callback):
    """Keeps a `TrialTable` up to date.

    Tune pickles its callbacks with the search, and takes them from there when it resumes. So an
    unpickled callback is the one that this process made last.

    Args:
        table: The table.
        seed: Of trials whose configuration names none.
    """

    def __init__(self, table: TrialTable, seed: int) -> None:
        self.table, self.seed = table, seed
        _latest[:] = [self]

    def __reduce__(self) -> tuple[Callable[[], Callback], tuple[()]]:
        return latest_callback, ()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A worker begins a trial."""
        self.table.start(trial.trial_id, sampled_point(trial.config, self.seed))

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports an epoch, its result, or the exception that it raises next."""
        if "error" in result:
            self.table.end(trial.trial_id, FAILED, {"error": result["error"]})
        elif "state" in result:
            figures = {name: result[name] for name in FIGURES}
            self.table.end(trial.trial_id, result["state"], figures)
        else:
            self.table.set_epoch(trial.trial_id, int(result["epoch"]))

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial failed; one that could not report why has lost its worker."""
        self.table.end(trial.trial_id, FAILED, {"error": "worker lost"})

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        """Tune has processed one event."""
        self.table.refresh()


def latest_callback() -> Callback:
    """The callback that this process made last; one that does nothing if there is none."""
    return _latest[0] if _latest else Callback()
