from __future__ import annotations

import errno
import queue
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest

from pipelines.observability.progress import Progress, progress, run
from tiprdc.errors import DataError

ROOT = Path(__file__).parents[3]


def test_own_error_is_printed_without_a_traceback() -> None:
    script = (
        "from pipelines.observability.progress import run\n"
        "from tiprdc.errors import DataError\n"
        "def main(): raise DataError('prepare.path', 'people[0].csv', 'a file', 'copy it')\n"
        "run(main)"
    )
    stage = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert stage.returncode == 2
    assert stage.stdout == ""
    assert stage.stderr == ("\nprepare.path: people[0].csv\n  expected: a file\n  hint: copy it\n")


def test_full_disk_is_printed_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "artifacts/x")

    with pytest.raises(SystemExit) as raised:
        run(main)
    assert raised.value.code == 2
    assert "artifacts/x: no space left on the device" in capsys.readouterr().err


def test_unexpected_exception_keeps_its_traceback() -> None:
    def bug() -> None:
        raise OSError(errno.EIO, "bus")

    def another() -> None:
        raise ZeroDivisionError

    with pytest.raises(OSError, match="bus"):
        run(bug)
    with pytest.raises(ZeroDivisionError):
        run(another)


def test_progress_without_a_terminal_is_plain_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(progress(range(500), total=500, label="Writing shards")) == list(range(500))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Writing shards: part 1 of 500", "Writing shards: part 500 of 500"]


def test_follow_ends_with_the_futures_and_shows_all_events(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source: queue.Queue[tuple[str, int]] = queue.Queue()
    future: Future[None] = Future()
    future.set_exception(DataError("a", "b", "c"))
    source.put(("protected", 1))
    source.put(("protected", 2))
    with Progress("epoch") as bars:
        bars.add("protected", 2)
        bars.follow(source, [future])
    assert "protected: epoch 2 of 2" in capsys.readouterr().err


def test_on_change_is_called_with_each_change() -> None:
    changes = []
    list(progress(range(3), total=3, label="x", on_change=lambda *each: changes.append(each)))
    assert changes == [("x", 1, 3), ("x", 2, 3), ("x", 3, 3)]
