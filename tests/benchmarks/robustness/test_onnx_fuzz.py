"""The fuzz target runs, separates outcomes, and notices an opened file."""

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
from tiprdc.sandbox.validator import inspect_model

ROOT = Path(__file__).parents[3]


def test_seed_models_run() -> None:
    assert [onnx_fuzz._outcome(data) for data in SEEDS] == [b"o"] * len(SEEDS)


@settings(max_examples=200, deadline=None)
@given(mutants())
def test_mutant_is_validated_or_refused_with_a_model_error(data: bytes) -> None:
    # Any other error than a ModelError fails.
    with suppress(ModelError):
        assert inspect_model(data, "mutant").info.nodes >= 1


def test_four_seconds_of_fuzzing() -> None:
    counts = onnx_fuzz.fuzz(4.0)
    assert counts["executions"] > 20
    assert counts["refused"] > 0
    assert counts["ran"] > 0
    assert counts["surprises"] == 0
    assert not counts["opened"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the files")
@pytest.mark.parametrize(("limits", "expected"), [(True, (0, 2)), (False, (0, 0))])
def test_attempts_to_open_files_and_sockets_are_counted(
    tmp_path: Path, limits: bool, expected: tuple[int, int]
) -> None:
    script = (
        "import socket\n"
        "from benchmarks.robustness.onnx_fuzz import LIMITS\n"
        "from tiprdc.sandbox.worker import drop_privileges\n"
        f"drop_privileges(LIMITS) if {limits} else None\n"
        "for attempt in (lambda: open('/etc/hostname'), socket.socket):\n"
        "    try:\n        attempt()\n    except OSError:\n        pass\n"
    )
    log = tmp_path / "log"
    command = ["strace", *onnx_fuzz.TRACING, "-o", str(log), sys.executable, "-c", script]
    subprocess.run(command, cwd=ROOT, check=True)
    # Without limits nothing was lowered, so nothing counts as coming after.
    assert onnx_fuzz.openings(log.read_text()) == expected
    trace = log.read_text().replace("EMFILE", "") if limits else ""
    assert onnx_fuzz.openings(trace.replace("= -1", "= 3")) == (sum(expected), 0)
