"""The rules of tests/conftest.py on skipped tests: failures in CI, and the time budget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXCUSED

ROOT = Path(__file__).parents[1]
FILE = """
import pytest

def test_monitoring():
    pytest.skip("no promtool (Debian: apt-get install prometheus)")
"""


@pytest.mark.parametrize(
    ("variables", "options", "code", "output"),
    [
        ({"CI": ""}, [], 0, "1 skipped"),
        ({"CI": "true"}, [], 1, "skipped in CI, where every test must run: Skipped: no promtool"),
        ({"CI": "true", EXCUSED: "sshd tool"}, [], 1, "1 failed"),
        ({"CI": "true", EXCUSED: "sshd promtool"}, [], 0, "1 skipped"),
        ({"CI": "true"}, ["--time-budget", "0"], 0, "not started within --time-budget"),
    ],
    ids=["not CI", "CI", "another program", "excused program", "out of time"],
)
def test_skip_fails_in_ci_unless_excused(
    tmp_path: Path, variables: dict[str, str], options: list[str], code: int, output: str
) -> None:
    (tmp_path / "test_file.py").write_text(FILE)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-ra",
         "-c", os.devnull, "--rootdir", str(tmp_path), *options, str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), EXCUSED: "", **variables},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert output in ended.stdout
