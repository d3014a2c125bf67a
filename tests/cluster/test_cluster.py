"""The cluster of docs/cluster.md; `make cluster-test` shows its steps as they go."""

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
from tests.cluster.doc_commands import commands, told
from tests.cluster.host_requirements import ROOT, what_is_missing
from tests.cluster.step_log import SUMMARY


@pytest.mark.cluster
@pytest.mark.timeout(3600)
def test_a_cluster_is_started_used_hurt_and_stopped() -> None:
    missing = what_is_missing()
    if missing:
        pytest.skip(missing)
    done = subprocess.run([sys.executable, "-m", "tests.cluster"], cwd=ROOT, text=True, stdout=-1)
    assert done.returncode == 0, done.stdout
    assert json.loads((LOGS / SUMMARY).read_text())["ok"]


def test_without_root_it_says_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo make cluster-test" in what_is_missing()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name, path: None if name == "sshd" else name)
    assert "apt-get install openssh-server" in what_is_missing()


def test_commands_are_those_of_the_document() -> None:
    assert "ray attach ray_cluster.yaml" in commands()
    # Continued lines are one command, comments none of it.
    job = told("ray job submit", trials="2")
    assert "--trials 2 " in job
    assert job.endswith("--storage /home/ray/tiprdc/runs")
    assert told("get-auth-token") == "ray get-auth-token --generate"
    with pytest.raises(AssertionError, match="--epoch is not in"):
        told("ray job submit", epoch="2")


def test_the_story_finds_all_its_commands_there() -> None:
    asked = re.findall(r"told\(['\"](.+?)['\"]", Path(scenario.__file__).read_text())
    assert len(asked) > 10
    for part in asked:
        assert told(part)
