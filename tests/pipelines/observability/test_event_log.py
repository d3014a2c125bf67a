from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.observability.event_log import Journal, read


def epochs(path: Path) -> list[int]:
    return [line["number"] for line in read(path) if line["event"] == "epoch"]


def test_a_line_is_an_object_in_utc_that_json_knows(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "logs"), "train")
    figures = {"total": math.nan, "rate": 1 / 3, "nested": {"a": [math.inf, 1]}}
    assert journal.write("epoch", figures, run="protected", number=1)
    (text,) = (tmp_path / "logs" / "train.jsonl").read_text().splitlines()
    line = json.loads(text, parse_constant=lambda name: 1 / 0)
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line == {
        "stage": "train", "event": "epoch", "run": "protected", "number": 1, "total": None,
        "rate": 0.333333, "nested": {"a": [None, 1]},
    }  # fmt: skip


def test_a_step_that_is_played_again_is_written_once_also_by_another_process(
    tmp_path: Path,
) -> None:
    first = Journal(str(tmp_path), "train")
    first.write("started", {"resumed": False}, run="protected")
    assert [first.write("epoch", run="protected", number=n) for n in (1, 2)] == [True, True]
    again = Journal(str(tmp_path), "train")
    again.write("started", {"resumed": True}, run="protected")
    assert [again.write("epoch", run="protected", number=n) for n in (2, 3)] == [False, True]
    assert again.write("epoch", run="unprotected", number=2)
    assert epochs(tmp_path / "train.jsonl") == [1, 2, 3, 2]


def test_a_run_that_starts_afresh_counts_from_there(tmp_path: Path) -> None:
    for _ in range(2):
        journal = Journal(str(tmp_path), "train")
        journal.write("started", {"resumed": False}, run="protected")
        journal.write("epoch", run="protected", number=1)
    other = Journal(str(tmp_path), "train")
    other.write("started", {"resumed": False}, run="unprotected")
    assert not other.write("epoch", run="protected", number=1)
    assert epochs(tmp_path / "train.jsonl") == [1, 1]


def test_a_torn_line_is_skipped_and_not_joined_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"event": "epoch", "run": "protected", "number": 1}\n{"event": "ep')
    journal = Journal(str(tmp_path), "train")
    assert not journal.write("epoch", run="protected", number=1)
    assert journal.write("epoch", run="protected", number=2)
    assert epochs(path) == [1, 2]
    assert len(path.read_text().splitlines()) == 3


def test_without_a_folder_there_is_no_journal(tmp_path: Path) -> None:
    journal = Journal("", "train")
    assert journal.write("epoch", number=1)
    assert not journal.write("epoch", number=1)
    assert list(read(tmp_path / "none.jsonl")) == []
