"""`tiprdc doctor`: every check finds its problem and gives a hint."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.release_samples import write_release
from tests.tiprdc.cli.test_main import run
from tiprdc.cli import git_checks, machine_checks, network_checks
from tiprdc.cli.machine_checks import Check

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in ("RAY_ADDRESS", "GLOO_SOCKET_IFNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a bare repository with one commit."""
    git(tmp_path, "init", "--bare", "-q", "origin.git")
    git(tmp_path, "clone", "-q", "origin.git", "clone")
    folder = tmp_path / "clone"
    (folder / "a").write_text("a")
    git(folder, "add", "a")
    git(folder, "commit", "-qm", "a")
    git(folder, "push", "-q", "origin", "HEAD")
    return folder


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def single(checks: Iterator[Check], subject: str) -> Check:
    (finding,) = (f for f in checks if f.subject == subject)
    return finding


def test_versions_are_compared_with_the_pins(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("# pins\nnumpy==0.1\nrich==1\n")
    numpy = single(machine_checks.versions(tmp_path), "numpy")
    assert numpy.state == "warning"
    assert numpy.result.endswith("but constraints.txt pins 0.1")
    assert numpy.hint == "pip install -c constraints.txt numpy"
    assert single(machine_checks.versions(tmp_path), "typer").state == "ok"


def test_absent_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise machine_checks.PackageNotFoundError(name)

    monkeypatch.setattr(machine_checks, "version", none)
    checks = {f.subject: f for f in machine_checks.versions(tmp_path)}
    assert (checks["gto"].state, checks["onnxruntime"].state) == ("warning", "problem")
    assert checks["gto"].hint == "pip install 'tiprdc[pull]' if you need it"


def test_release_tags_are_compared_with_the_remote(clone: Path) -> None:
    subject = "git origin"
    assert single(git_checks.git(clone), subject).state == "ok"
    git(clone, "tag", "extractor@v1.0.0")
    git(clone, "tag", "unrelated")
    assert single(git_checks.git(clone), subject).hint == "git push origin --tags"
    git(clone, "push", "-q", "origin", "--tags")
    assert single(git_checks.git(clone), subject).result == "answers; 1 release tags, all here"
    git(clone, "tag", "-d", "extractor@v1.0.0")
    lost = single(git_checks.git(clone), subject)
    assert (lost.state, lost.hint) == ("problem", "git fetch --tags origin")


def test_unreachable_remote_shallow_clone_and_no_remote(tmp_path: Path, clone: Path) -> None:
    (clone / "b").write_text("b")
    git(clone, "add", "b")
    git(clone, "commit", "-qm", "b")
    git(clone, "push", "-q", "origin", "HEAD")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}/origin.git", "shallow")
    assert (
        single(git_checks.git(tmp_path / "shallow"), "git").hint == "git fetch --unshallow --tags"
    )
    shutil.rmtree(tmp_path / "origin.git")
    gone = single(git_checks.git(clone), "git origin")
    assert (gone.state, gone.result) == ("problem", "does not answer")
    git(clone, "remote", "remove", "origin")
    assert single(git_checks.git(clone), "git").hint == "git remote add origin URL"
    outside = tmp_path / "outside"
    outside.mkdir()
    assert single(git_checks.git(outside), "git").state == "warning"


@pytest.mark.parametrize(
    ("settings", "is_warned"),
    [
        ({}, False),
        ({"fetch.prune": "true"}, False),
        ({"fetch.pruneTags": "true"}, False),
        ({"fetch.prune": "true", "fetch.pruneTags": "yes"}, True),
        ({"remote.origin.prune": "1", "remote.origin.pruneTags": "on"}, True),
        ({"fetch.prune": "true", "remote.origin.fetch": "+refs/tags/*:refs/tags/*"}, True),
        ({"fetch.prune": "true", "fetch.pruneTags": "true", "remote.origin.prune": "no"}, False),
    ],
)
def test_warning_where_a_fetch_deletes_tags_and_its_hint(
    clone: Path, settings: dict[str, str], is_warned: bool
) -> None:
    """The setting does what is said, and the hint ends it."""
    for name, value in settings.items():
        git(clone, "config", "--add", name, value)
    _, *more = (c for c in git_checks.git(clone) if c.subject == "git origin")
    assert bool(more) == is_warned
    git(clone, "tag", "extractor@v1.0.0")
    if is_warned:
        git(clone, *more[0].hint.split()[1:])
        git(clone, "fetch", "origin")
        assert "deletes" not in "".join(c.result for c in git_checks.git(clone))
    else:
        git(clone, "fetch", "origin")
    tags = subprocess.run(["git", "tag"], cwd=clone, capture_output=True, text=True, check=True)
    assert tags.stdout == "extractor@v1.0.0\n"


@pytest.mark.parametrize("place", [".git/hooks", "elsewhere"])
def test_hook_that_pushes_results_is_found(clone: Path, place: str) -> None:
    assert not [c for c in git_checks.git(clone) if "pre-push" in c.result]
    if place == "elsewhere":
        git(clone, "config", "core.hooksPath", place)
    (clone / place).mkdir(exist_ok=True)
    (clone / place / "pre-push").write_text("#!/bin/sh\nexec dvc git-hook pre-push $@\n")
    (check,) = (c for c in git_checks.git(clone) if "pre-push" in c.result)
    assert "push: false" in check.hint


def test_dvc_remotes_are_checked_without_their_passwords(clone: Path, listening: int) -> None:
    def dvc(*words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "dvc", *words], cwd=clone, check=True, capture_output=True
        )

    dvc("init", "-q")
    assert single(network_checks.dvc(clone), "dvc").hint == "dvc remote add -d NAME URL"
    (clone.parent / "store").mkdir()
    secret = "s3cr3t"
    dvc("remote", "add", "here", "../store")
    dvc("remote", "add", "gone", "../nothing")
    dvc("remote", "add", "up", f"http://user:{secret}@127.0.0.1:{listening}/x")
    dvc("remote", "add", "down", "http://127.0.0.1:1/x")
    dvc("remote", "add", "s3", "s3://bucket/x")
    dvc("remote", "modify", "s3", "endpointurl", "http://127.0.0.1:1")
    checks = list(network_checks.dvc(clone))
    assert {f.subject: f.state for f in checks} == {
        "dvc here": "ok", "dvc gone": "problem", "dvc up": "ok", "dvc down": "problem",
        "dvc s3": "problem",
    }  # fmt: skip
    assert secret not in str(checks)


def test_permissions_of_keys_and_trust_files_are_checked(clone: Path) -> None:
    key, trust = clone / "mine", clone / "mine.trust.json"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    trust.write_text("{}")
    key.chmod(0o644)
    trust.chmod(0o666)
    assert single(machine_checks.keys(clone), "key").hint == "chmod 600 mine"
    assert single(machine_checks.keys(clone), "trust").hint == "chmod go-w mine.trust.json"
    key.chmod(0o600)
    trust.chmod(0o644)
    assert {f.state for f in machine_checks.keys(clone)} == {"ok"}
    git(clone, "add", "-f", "mine")
    assert "is in Git" in single(machine_checks.keys(clone), "key").result
    git(clone, "rm", "-q", "--cached", "mine")
    (clone / "deep" / "er").mkdir(parents=True)
    key.rename(clone / "deep" / "er" / "mine")
    git(clone, "add", "-f", "deep")
    assert single(machine_checks.keys(clone), "key").result.startswith("deep/er/mine is a private")


def test_settings_and_folder_of_ray_are_checked_in_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(machine_checks.project(tmp_path)) == []
    for name in ("pipelines", "tiprdc"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    assert {c.subject: c.state for c in machine_checks.project(tmp_path)} == {
        "settings": "ok", "ray folder": "ok",
    }  # fmt: skip
    (tmp_path / "params.yaml").write_text(text.replace("retries: 3", "retries: -3"))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "long/" * 20)
    settings, ray = machine_checks.project(tmp_path)
    assert (settings.state, ray.state) == ("problem", "problem")
    assert settings.result.startswith("cluster.retries: -3")
    assert "too long for Ray's sockets" in ray.result
    assert ray.hint == "unset RAY_TMPDIR, or set it to one"


def test_project_whose_checks_do_not_run_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "doctor.py").write_text("raise ValueError")
    (check,) = machine_checks.project(tmp_path)
    assert (check.state, check.hint) == ("problem", "run `python -m pipelines.doctor` to see why")


def test_ray_address_is_checked(listening: int) -> None:
    def state_at(address: str) -> str:
        return single(network_checks.ray({"RAY_ADDRESS": address}), "ray cluster").state

    assert state_at("") == state_at("auto") == "ok"
    for form in ("127.0.0.1:{}", "ray://127.0.0.1:{}", "http://127.0.0.1:{}"):
        assert state_at(form.format(listening)) == "ok"
        assert state_at(form.format(1)) == "problem"
    assert state_at("127.0.0.1:not-a-port") == "problem"


def test_unknown_network_interface_is_a_problem() -> None:
    wrong = single(network_checks.network({"GLOO_SOCKET_IFNAME": "nothing0"}), "network")
    assert wrong.state == "problem"
    assert single(network_checks.network({"GLOO_SOCKET_IFNAME": "lo"}), "network").state == "ok"


def test_little_disk_space_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((2**20, "problem"), (2**30, "warning"), (2**40, "ok")):
        usage = shutil._ntuple_diskusage(2**41, 0, free)  # type: ignore[attr-defined]
        monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert {f.state for f in machine_checks.space(tmp_path)} == {state}


def test_command_exits_with_1_if_there_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_release(tmp_path / "release")
    code, out, _ = run(capsys, "doctor", str(release))
    assert code == 0, out
    assert "opens" in out
    assert "0 problems" in out
    (release / "extractor.onnx").write_bytes(b"other")
    code, out, _ = run(capsys, "doctor", str(release), "--json")
    document = json.loads(out)
    assert (code, document["problems"]) == (1, 1)
    (problem,) = (f for f in document["checks"] if f["state"] == "problem")
    assert problem["subject"] == "release"
    assert problem["hint"]
    assert run(capsys, "doctor", str(tmp_path / "nothing"))[0] == 2
