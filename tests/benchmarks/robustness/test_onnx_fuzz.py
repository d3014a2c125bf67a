"""The fuzz target runs, tells outcomes apart, and would notice a file that is opened."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings

from benchmarks.robustness import onnx_fuzz
from benchmarks.robustness.onnx_mutants import SEEDS, mutants
from tiprdc.errors import ModelError
from tiprdc.sandbox.validator import inspect

ROOT = Path(__file__).parents[3]


def test_the_seeds_are_models_that_run() -> None:
    assert [onnx_fuzz._outcome(data) for data in SEEDS] == [b"o"] * 3


@settings(max_examples=200, deadline=None)
@given(mutants())
def test_a_mutant_is_inspected_or_refused_in_words(data: bytes) -> None:
    # Any other error than a ModelError fails.
    with suppress(ModelError):
        assert inspect(data, "mutant").nodes >= 1


def test_some_seconds_of_it() -> None:
    found = onnx_fuzz.fuzz(4.0)
    assert found["executions"] > 20
    assert found["refused"] > 0
    assert found["ran"] > 0
    assert found["surprises"] == 0
    assert not found["opened"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the files")
@pytest.mark.parametrize(("limits", "wanted"), [(True, (0, 2)), (False, (0, 0))])
def test_a_file_and_a_socket_that_are_asked_for_are_counted(
    tmp_path: Path, limits: bool, wanted: tuple[int, int]
) -> None:
    script = (
        "import socket\n"
        "from benchmarks.robustness.onnx_fuzz import LIMITS\n"
        "from tiprdc.sandbox.worker import drop_privileges\n"
        f"drop_privileges(LIMITS) if {limits} else None\n"
        "for ask in (lambda: open('/etc/hostname'), socket.socket):\n"
        "    try:\n        ask()\n    except OSError:\n        pass\n"
    )
    log = tmp_path / "log"
    command = ["strace", *onnx_fuzz.TRACING, "-o", str(log), sys.executable, "-c", script]
    subprocess.run(command, cwd=ROOT, check=True)
    # Without limits nothing was lowered, so nothing is said to come after.
    assert onnx_fuzz.openings(log.read_text()) == wanted
    shown = log.read_text().replace("EMFILE", "") if limits else ""
    assert onnx_fuzz.openings(shown.replace("= -1", "= 3")) == (sum(wanted), 0)
