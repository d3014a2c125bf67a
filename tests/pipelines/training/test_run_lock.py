"""One process trains a run; a killed one lets go of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.training.run_lock import hold
from pipelines.training.storage import Storage
from tiprdc.errors import ClusterError

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pipelines.training.run_lock import hold
from pipelines.training.storage import Storage
with hold(Storage(sys.argv[1]), "protected-1"):
    print("held", flush=True)
    time.sleep(300)
"""


def test_run_is_held_until_its_process_ends_however_it_ends(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "runs"))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, storage.root], stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    with hold(storage, "unprotected-1", "protected-2"):
        pass
    with (
        pytest.raises(ClusterError, match=f"process {holder.pid} on ") as raised,
        hold(storage, "unprotected-1", "protected-1"),
    ):
        pytest.fail("two at once")
    assert raised.value.where.endswith("runs/protected-1")
    # What the hint says.
    number = raised.value.hint.rpartition("kill ")[2]
    os.kill(int(number), signal.SIGKILL)
    holder.communicate()
    with hold(storage, "protected-1"):
        pass


def test_nothing_is_left_and_the_same_process_may_hold_again(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "runs"))
    for _ in range(2):
        with hold(storage, "a", "b"):
            assert len(list((tmp_path / "runs").iterdir())) == 2
        assert list((tmp_path / "runs").iterdir()) == []


def test_run_in_storage_that_is_no_folder_is_held_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    storage = Storage(f"file://{tmp_path}/far")
    with hold(storage, "a"):
        with pytest.raises(ClusterError, match="is training it"), hold(storage, "a"):
            pytest.fail("two at once")
        with hold(storage, "b"):
            pass
    assert list(tmp_path.iterdir()) == []
