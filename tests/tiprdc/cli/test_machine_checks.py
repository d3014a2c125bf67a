"""What stands in the way is found, with a hint; what does not is not reported."""

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
from tiprdc.cli import machine_checks, network_checks
from tiprdc.cli.machine_checks import Finding


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
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


def only(findings: Iterator[Finding], about: str) -> Finding:
    (finding,) = (f for f in findings if f.about == about)
    return finding


def test_versions_are_compared_with_the_pins(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("# pins\nnumpy==0.1\nrich==1\n")
    numpy = only(machine_checks.versions(tmp_path), "numpy")
    assert numpy.state == "warning"
    assert numpy.found.endswith("and constraints.txt pins 0.1")
    assert numpy.hint == "pip install -c constraints.txt numpy"
    assert only(machine_checks.versions(tmp_path), "typer").state == "ok"


def test_what_is_absent_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise machine_checks.PackageNotFoundError(name)

    monkeypatch.setattr(machine_checks, "version", none)
    findings = {f.about: f for f in machine_checks.versions(tmp_path)}
    assert (findings["gto"].state, findings["onnxruntime"].state) == ("warning", "problem")
    assert findings["gto"].hint == "pip install 'tiprdc[pull]' if you need it"


def test_tags_of_releases_are_looked_for_on_both_sides(clone: Path) -> None:
    about = "git origin"
    assert only(network_checks.git(clone), about).state == "ok"
    git(clone, "tag", "extractor@v1.0.0")
    git(clone, "tag", "unrelated")
    assert only(network_checks.git(clone), about).hint == "git push origin --tags"
    git(clone, "push", "-q", "origin", "--tags")
    assert only(network_checks.git(clone), about).found == "answers; 1 tags of releases, all here"
    git(clone, "tag", "-d", "extractor@v1.0.0")
    lost = only(network_checks.git(clone), about)
    assert (lost.state, lost.hint) == ("problem", "git fetch --tags origin")


def test_a_remote_that_does_not_answer_a_shallow_clone_no_remote(
    tmp_path: Path, clone: Path
) -> None:
    (clone / "b").write_text("b")
    git(clone, "add", "b")
    git(clone, "commit", "-qm", "b")
    git(clone, "push", "-q", "origin", "HEAD")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}/origin.git", "shallow")
    assert (
        only(network_checks.git(tmp_path / "shallow"), "git").hint == "git fetch --unshallow --tags"
    )
    shutil.rmtree(tmp_path / "origin.git")
    gone = only(network_checks.git(clone), "git origin")
    assert (gone.state, gone.found) == ("problem", "does not answer")
    git(clone, "remote", "remove", "origin")
    assert only(network_checks.git(clone), "git").hint == "git remote add origin URL"
    outside = tmp_path / "outside"
    outside.mkdir()
    assert only(network_checks.git(outside), "git").state == "warning"


def test_dvcs_remotes(clone: Path, listening: int) -> None:
    def dvc(*words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "dvc", *words], cwd=clone, check=True, capture_output=True
        )

    dvc("init", "-q")
    assert only(network_checks.dvc(clone), "dvc").hint == "dvc remote add -d NAME URL"
    (clone.parent / "store").mkdir()
    secret = "s3cr3t"
    dvc("remote", "add", "here", "../store")
    dvc("remote", "add", "gone", "../nothing")
    dvc("remote", "add", "up", f"http://user:{secret}@127.0.0.1:{listening}/x")
    dvc("remote", "add", "down", "http://127.0.0.1:1/x")
    dvc("remote", "add", "s3", "s3://bucket/x")
    dvc("remote", "modify", "s3", "endpointurl", "http://127.0.0.1:1")
    findings = list(network_checks.dvc(clone))
    assert {f.about: f.state for f in findings} == {
        "dvc here": "ok", "dvc gone": "problem", "dvc up": "ok", "dvc down": "problem",
        "dvc s3": "problem",
    }  # fmt: skip
    assert secret not in str(findings)


def test_keys_are_for_their_owner_alone(clone: Path) -> None:
    key, trust = clone / "mine", clone / "mine.trust.json"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    trust.write_text("{}")
    key.chmod(0o644)
    trust.chmod(0o666)
    assert only(machine_checks.keys(clone), "key").hint == "chmod 600 mine"
    assert only(machine_checks.keys(clone), "trust").hint == "chmod go-w mine.trust.json"
    key.chmod(0o600)
    trust.chmod(0o644)
    assert {f.state for f in machine_checks.keys(clone)} == {"ok"}
    git(clone, "add", "-f", "mine")
    assert "is in Git" in only(machine_checks.keys(clone), "key").found


def test_ray_is_asked_at_its_address(listening: int) -> None:
    def asked(address: str) -> str:
        return only(network_checks.ray({"RAY_ADDRESS": address}), "ray cluster").state

    assert asked("") == asked("auto") == "ok"
    for form in ("127.0.0.1:{}", "ray://127.0.0.1:{}", "http://127.0.0.1:{}"):
        assert asked(form.format(listening)) == "ok"
        assert asked(form.format(1)) == "problem"
    assert asked("127.0.0.1:not-a-port") == "problem"


def test_an_interface_that_is_not_here_is_found() -> None:
    wrong = only(network_checks.network({"GLOO_SOCKET_IFNAME": "nothing0"}), "network")
    assert wrong.state == "problem"
    assert only(network_checks.network({"GLOO_SOCKET_IFNAME": "lo"}), "network").state == "ok"


def test_little_space_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((2**20, "problem"), (2**30, "warning"), (2**40, "ok")):
        usage = shutil._ntuple_diskusage(2**41, 0, free)  # type: ignore[attr-defined]
        monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert {f.state for f in machine_checks.space(tmp_path)} == {state}


def test_the_command_ends_with_1_if_something_stands_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_release(tmp_path / "release")
    code, out, _ = run(capsys, "doctor", str(release))
    assert code == 0, out
    assert "opens" in out
    assert "0 problems" in out
    (release / "extractor.onnx").write_bytes(b"other")
    code, out, _ = run(capsys, "doctor", str(release), "--json")
    told = json.loads(out)
    assert (code, told["problems"]) == (1, 1)
    (problem,) = (f for f in told["findings"] if f["state"] == "problem")
    assert problem["about"] == "release"
    assert problem["hint"]
    assert run(capsys, "doctor", str(tmp_path / "nothing"))[0] == 2
