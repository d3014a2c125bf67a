"""The table of trials, as Tune's callback fills it."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.event_log import read
from pipelines.observability.stage_monitor import StageMonitor
from pipelines.search.space import TuneConfig
from pipelines.search.trial_table import TrialTable
from pipelines.search.tune_callback import FIGURES, TableCallback

POINT = {"privacy_weight": 0.123456, "budget": 0.1, "features": 16, "seed": 0}
RESULT = dict.fromkeys(FIGURES, 0.5) | {
    "advantage": 0.1, "utility": 0.8, "seconds": 12.0, "state": "finished",
}  # fmt: skip


@pytest.fixture
def monitor(tmp_path: Path) -> StageMonitor:
    return StageMonitor("tune", ClusterConfig(log=str(tmp_path)))


def value(monitor: StageMonitor, name: str, **labels: str) -> float | None:
    return monitor.metrics.registry.get_sample_value(name, labels)


class Trials:
    """Calls a callback as Tune does."""

    def __init__(self, table: TrialTable) -> None:
        self.callback = TableCallback(table, seed=0)

    def start(self, *names: str) -> None:
        for name in names:
            self.callback.on_trial_start(0, [], self._trial(name))

    def report(self, name: str, **result: Any) -> None:
        self.callback.on_trial_result(0, [], self._trial(name), {"training_iteration": 1, **result})

    def lose(self, name: str) -> None:
        self.callback.on_trial_error(0, [], self._trial(name))

    def _trial(self, name: str) -> Any:
        return SimpleNamespace(trial_id=name, config={"point": POINT})


def test_trials_are_counted_printed_and_logged_once(
    monitor: StageMonitor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrialTable("tune-1", TuneConfig(trials=8), monitor, epochs=4) as table:
        trials = Trials(table)
        trials.start("a", "b", "c", "d", "e", "f")
        trials.report("a", epoch=1, total=2.0)
        trials.report("a", **RESULT)
        trials.report("b", error="DataError")
        trials.lose("b")
        trials.report("c", **{**RESULT, "advantage": 1.0, "state": "diverged"})
        trials.report("d", **{**RESULT, "advantage": 1.0, "state": "hopeless"})
        trials.lose("e")
        assert table.counts() == {
            "waiting": 2, "running": 1, "finished": 1, "diverged": 1, "hopeless": 1, "failed": 2,
        }  # fmt: skip
        assert value(monitor, "tiprdc_tune_trials", state="running") == 1
        assert value(monitor, "tiprdc_stage_done_ratio", stage="tune", part="trials") == 5 / 8
        assert value(monitor, "tiprdc_tune_trial_seconds") == 12
    # Killed without a report.
    assert table.counts()["failed"] == 3
    lines = capsys.readouterr().err.splitlines()
    tried = "; seed 0, privacy_weight 0.123, budget 0.1, features 16"
    assert lines == [
        f"tune: 1 of 8 ended: trial 1, advantage 0.100, utility 0.800{tried}",
        f"tune: 2 of 8 ended: trial 2, failed{tried}",
        f"tune: 3 of 8 ended: trial 3, diverged{tried}",
        f"tune: 4 of 8 ended: trial 4, hopeless{tried}",
        f"tune: 5 of 8 ended: trial 5, failed{tried}",
    ]
    again = StageMonitor("tune", ClusterConfig(log=str(tmp_path)))
    TrialTable("tune-1", TuneConfig(), again, epochs=4).restore("a", 1, POINT, RESULT)
    logged = [line for line in read(tmp_path / "tune.jsonl") if line["event"] == "trial"]
    assert [line["run"] for line in logged] == [f"tune-1/{name}" for name in "abcde"]
    assert logged[0]["point"]["features"] == 16
    assert [line.get("error") for line in logged] == [None, "DataError", None, None, "worker lost"]


def test_trial_that_starts_again_keeps_its_number(monitor: StageMonitor) -> None:
    table = TrialTable("tune-1", TuneConfig(trials=2), monitor, epochs=4)
    trials = Trials(table)
    trials.start("a", "b", "a")
    trials.report("a", **RESULT)
    assert table.counts()["running"] == table.counts()["finished"] == 1


def test_trials_keep_their_numbers_after_a_resume(
    monitor: StageMonitor, capsys: pytest.CaptureFixture[str]
) -> None:
    table = TrialTable("tune-1", TuneConfig(trials=5), monitor, epochs=4)
    table.restore("a", 1, POINT, RESULT)
    table.restore("d", 4, POINT, RESULT)
    trials = Trials(table)
    trials.start("b", "c", "e")
    for name in ("e", "b", "c"):
        trials.report(name, **RESULT)
    numbers = re.findall(r"ended: trial (\d)", capsys.readouterr().err)
    assert numbers == ["5", "2", "3"]


def test_unpickled_callback_is_the_one_of_this_process(monitor: StageMonitor) -> None:
    callback = TableCallback(TrialTable("tune-1", TuneConfig(), monitor, epochs=4), seed=0)
    assert pickle.loads(pickle.dumps(callback)) is callback
    latest = TableCallback(TrialTable("tune-2", TuneConfig(), monitor, epochs=4), seed=0)
    assert pickle.loads(pickle.dumps(callback)) is latest


def test_table_shows_running_and_ended_trials(monitor: StageMonitor) -> None:
    table = TrialTable("tune-1", TuneConfig(trials=30, epochs=4), monitor, epochs=4)
    trials = Trials(table)
    for n in range(20):
        trials.start(str(n))
        if n < 18:
            trials.report(str(n), **RESULT)
    trials.report("18", epoch=2)
    trials.report("19", epoch=4)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table.table())
    text = console.export_text()
    assert "30 trials: 10 waiting, 2 running, 18 finished" in text
    assert "epoch 2 of 4" in text
    assert "attacks" in text
    assert "0.123" in text
    assert text.count("finished") == 14
