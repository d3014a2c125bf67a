"""The cluster of docs/cluster.md; `make cluster-test` prints its steps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import scenario
from tests.cluster.__main__ import LOGS
from tests.cluster.doc_commands import commands, doc_command
from tests.cluster.host_requirements import ROOT, missing_requirements
from tests.cluster.step_log import SUMMARY


@pytest.mark.cluster
@pytest.mark.timeout(3600)
def test_all_steps_of_the_scenario_pass() -> None:
    missing = missing_requirements()
    if missing:
        pytest.skip(missing)
    done = subprocess.run([sys.executable, "-m", "tests.cluster"], cwd=ROOT, text=True, stdout=-1)
    assert done.returncode == 0, done.stdout
    assert json.loads((LOGS / SUMMARY).read_text())["ok"]


def test_requirements_name_the_command_with_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo make cluster-test" in missing_requirements()


def test_requirements_name_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name, path: None if name == "sshd" else name)
    assert "apt-get install openssh-server" in missing_requirements()


def test_doc_command_returns_commands_of_the_document() -> None:
    assert "ray attach ray_cluster.yaml" in commands()
    # Continued lines are one command, without comments.
    job = doc_command("ray job submit", trials="2")
    assert "--trials 2 " in job
    assert job.endswith("--storage /home/ray/tiprdc/runs")
    assert doc_command("get-auth-token") == "ray get-auth-token --generate"
    with pytest.raises(AssertionError, match="--epoch is not in"):
        doc_command("ray job submit", epoch="2")


def test_commands_of_the_scenario_are_in_the_document() -> None:
    parts = re.findall(r"doc_command\(['\"](.+?)['\"]", Path(scenario.__file__).read_text())
    assert len(parts) > 10
    for part in parts:
        assert doc_command(part)
