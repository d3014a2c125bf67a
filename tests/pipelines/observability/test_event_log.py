from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.observability.event_log import EventLog, read


def epochs(path: Path) -> list[int]:
    return [line["number"] for line in read(path) if line["event"] == "epoch"]


def test_line_is_a_strict_json_object_with_utc_time(tmp_path: Path) -> None:
    log = EventLog(str(tmp_path / "logs"), "train")
    figures = {"total": math.nan, "rate": 1 / 3, "nested": {"a": [math.inf, 1]}}
    assert log.write("epoch", figures, run="protected", number=1)
    (text,) = (tmp_path / "logs" / "train.jsonl").read_text().splitlines()
    line = json.loads(text, parse_constant=lambda name: 1 / 0)
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line == {
        "stage": "train", "event": "epoch", "run": "protected", "number": 1, "total": None,
        "rate": 0.333333, "nested": {"a": [None, 1]},
    }  # fmt: skip


def test_repeated_step_is_written_once_also_by_a_new_process(
    tmp_path: Path,
) -> None:
    first = EventLog(str(tmp_path), "train")
    first.write("started", {"resumed": False}, run="protected")
    assert [first.write("epoch", run="protected", number=n) for n in (1, 2)] == [True, True]
    again = EventLog(str(tmp_path), "train")
    again.write("started", {"resumed": True}, run="protected")
    assert [again.write("epoch", run="protected", number=n) for n in (2, 3)] == [False, True]
    assert again.write("epoch", run="unprotected", number=2)
    assert epochs(tmp_path / "train.jsonl") == [1, 2, 3, 2]


def test_fresh_start_of_a_run_resets_its_steps(tmp_path: Path) -> None:
    for _ in range(2):
        log = EventLog(str(tmp_path), "train")
        log.write("started", {"resumed": False}, run="protected")
        log.write("epoch", run="protected", number=1)
    other = EventLog(str(tmp_path), "train")
    other.write("started", {"resumed": False}, run="unprotected")
    assert not other.write("epoch", run="protected", number=1)
    assert epochs(tmp_path / "train.jsonl") == [1, 1]


def test_torn_line_is_skipped_and_not_joined_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"event": "epoch", "run": "protected", "number": 1}\n{"event": "ep')
    log = EventLog(str(tmp_path), "train")
    assert not log.write("epoch", run="protected", number=1)
    assert log.write("epoch", run="protected", number=2)
    assert epochs(path) == [1, 2]
    assert len(path.read_text().splitlines()) == 3


def test_empty_folder_writes_no_file(tmp_path: Path) -> None:
    log = EventLog("", "train")
    assert log.write("epoch", number=1)
    assert not log.write("epoch", number=1)
    assert list(read(tmp_path / "none.jsonl")) == []
