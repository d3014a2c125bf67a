from __future__ import annotations

import io
import queue
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.cluster import ClusterConfig
from pipelines.observability.event_log import read
from pipelines.observability.stage_monitor import StageMonitor
from pipelines.search.space import TuneConfig
from pipelines.search.trial_table import TrialBoard

POINT = {"privacy_weight": 0.123456, "budget": 0.1, "features": 16, "seed": 0}
FIGURES = {"advantage": 0.1, "utility": 0.8, "seconds": 12.0, "diverged": False}


@pytest.fixture
def seen(tmp_path: Path) -> StageMonitor:
    return StageMonitor("tune", ClusterConfig(log=str(tmp_path)))


def news(trial: str, event: str, **fields: Any) -> dict[str, Any]:
    return {"trial": trial, "event": event, **fields}


def value(seen: StageMonitor, name: str, **labels: str) -> float | None:
    return seen.metrics.registry.get_sample_value(name, labels)


def test_trials_are_counted_by_state_said_and_written_once(
    seen: StageMonitor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wire: queue.Queue[dict[str, Any]] = queue.Queue()
    for piece in (
        news("a", "started", point=POINT), news("b", "started", point=POINT),
        news("c", "started", point=POINT), news("d", "started", point=POINT),
        news("a", "played", epoch=1), news("a", "ended", figures=FIGURES),
        news("b", "failed", error="DataError"),
        news("c", "ended", figures={**FIGURES, "advantage": 1.0, "diverged": True}),
    ):  # fmt: skip
        wire.put(piece)
    over: Future[None] = Future()
    over.set_result(None)
    with TrialBoard("tune-1", TuneConfig(trials=6), seen) as board:
        board.follow(wire, over)
        assert board.counts() == {
            "waiting": 2, "running": 1, "finished": 1, "diverged": 1, "failed": 1,
        }  # fmt: skip
        assert value(seen, "tiprdc_tune_trials", state="running") == 1
        assert value(seen, "tiprdc_stage_done_ratio", stage="tune", part="trials") == 0.5
        assert value(seen, "tiprdc_tune_trial_seconds") == 12
    # Killed without a word.
    assert board.counts()["failed"] == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "tune: trial 1 of 6: advantage 0.100, utility 0.800",
        "tune: trial 2 of 6: failed", "tune: trial 3 of 6: diverged",
    ]  # fmt: skip
    again = StageMonitor("tune", ClusterConfig(log=str(tmp_path)))
    TrialBoard("tune-1", TuneConfig(), again).restore("a", POINT, FIGURES)
    lines = [line for line in read(tmp_path / "tune.jsonl") if line["event"] == "trial"]
    assert [line["run"] for line in lines] == ["tune-1/a", "tune-1/b", "tune-1/c"]
    assert lines[0]["point"]["features"] == 16
    assert lines[1]["error"] == "DataError"


def test_the_table_shows_what_runs_and_what_ended(seen: StageMonitor) -> None:
    board = TrialBoard("tune-1", TuneConfig(trials=30, epochs=4), seen)
    for n in range(20):
        board.take(news(str(n), "started", point=POINT))
        if n < 18:
            board.take(news(str(n), "ended", figures=FIGURES))
    board.take(news("18", "played", epoch=2))
    board.take(news("19", "played", epoch=4))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(board.table())
    text = console.export_text()
    assert "30 trials: 10 waiting, 2 running, 18 finished" in text
    assert "epoch 2 of 4" in text
    assert "attacked" in text
    assert "0.123" in text
    assert text.count("finished") == 14
