"""Publishing: pushed, read back, tagged whole or not at all; races and kills included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gto.api
import pytest

from pipelines.release import publish
from pipelines.release.plan import ReleaseRequest, plan_release
from tests.helpers.release_project import Lab, release, write_release
from tiprdc.errors import ReleaseError
from tiprdc.formats.envelope import encode_json
from tiprdc.formats.release_statement import release_statement
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VersionSelector, pull
from tiprdc.registry.signing import sign
from tiprdc.registry.tags import read_registry

MODEL = "artifacts/release/extractor.onnx"
MINOR = ReleaseRequest(bump="minor", push=True)


@pytest.fixture
def lab(audited_lab: Lab, tmp_path: Path) -> Lab:
    return audited_lab.copy(tmp_path / "lab")


def test_pushed_files_are_read_back(lab: Lab) -> None:
    """DVC does not push an object that exists already, even with other bytes."""
    lab.dvc("push", "-q")
    stored = lab.stored(MODEL)
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    with pytest.raises(ReleaseError, match="other bytes than were pushed"):
        release(lab)
    assert lab.tags() == lab.tags(lab.project) == {}
    stored.unlink()
    lab.listing().unlink()
    assert release(lab) == ["extractor@v0.1.0"]


def test_only_release_audit_and_card_are_pushed(lab: Lab) -> None:
    """Shards are records of people, and checkpoints were trained on them."""
    lab.edit("dvc.yaml", (lab.project / "dvc.yaml").read_text().replace(
        "stages:\n", "stages:\n  prepare:\n    cmd: x\n    outs: [artifacts/shards]\n"
    ))  # fmt: skip
    (lab.project / "artifacts/shards").mkdir()
    lab.edit("artifacts/shards/people.csv", "somebody\n")
    lab.commit()
    release(lab)
    stored = [path.read_bytes() for path in lab.store.rglob("*") if path.is_file()]
    assert len(stored) == 5
    assert b"somebody\n" not in stored


@pytest.mark.parametrize(
    ("bump", "version"), [("major", "v1.0.0"), ("minor", "v0.3.0"), ("patch", "v0.2.1")]
)
def test_bump_raises_the_version(
    released_lab: Lab, tmp_path: Path, bump: Any, version: str
) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    write_release(lab.project, 5.0)
    lab.commit()
    assert release(lab, bump=bump) == [f"extractor@{version}"]


def test_gto_reads_the_same_registry(released_lab: Lab) -> None:
    registry = read_registry(Git(released_lab.origin), "extractor")
    shown = gto.api.show(str(released_lab.project), "extractor")
    assert [entry["version"] for entry in shown] == list(reversed(registry.versions))
    assert {s["stage"]: entry["version"] for entry in shown for s in entry["stages"]} == {
        stage: registry.in_stage(stage).name for stage in registry.stages
    }  # fmt: skip


def test_same_command_again_changes_nothing(released_lab: Lab, tmp_path: Path) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    before = lab.tags()
    assert release(lab, stage="staging", key=lab.key) == []
    assert lab.tags() == before == lab.tags(lab.project)


def test_of_two_releases_at_once_one_is_refused(lab: Lab) -> None:
    """Both passed the checks before either was published."""
    plan = plan_release(lab.project, MINOR)
    other = lab.folder / "other"
    lab.git("clone", "-q", str(lab.origin), str(other), at=lab.folder)
    git = Git(other)
    commit = git("commit-tree", "main^{tree}", "-m", "another", "-p", "main").strip()
    tag = git.make_tag("extractor@v0.1.0", commit, "theirs")
    git.push_tags("origin", {"extractor@v0.1.0": tag})
    with pytest.raises(ReleaseError, match="git push"):
        publish.publish(lab.project, MINOR, plan)
    assert lab.tags() == {"extractor@v0.1.0": tag}
    assert lab.tags(lab.project) == {}


def test_of_two_releases_in_one_clone_one_is_refused(lab: Lab) -> None:
    request = ReleaseRequest(bump="minor", stage="prod")
    plan = plan_release(lab.project, request)
    assert publish.publish(lab.project, request, plan)
    before = lab.tags(lab.project)
    with pytest.raises(ReleaseError, match="git update-ref"):
        publish.publish(lab.project, request, plan)
    assert lab.tags(lab.project) == before


def test_tags_are_pushed_all_or_none(lab: Lab) -> None:
    """The stage's name is taken on the remote, so the version is not pushed either."""
    request = ReleaseRequest(bump="minor", stage="prod", push=True)
    plan = plan_release(lab.project, request)
    lab.git("tag", "extractor#prod#1", "main", at=lab.origin)
    with pytest.raises(ReleaseError, match="git push"):
        publish.publish(lab.project, request, plan)
    assert set(lab.tags()) == {"extractor#prod#1"}
    assert lab.tags(lab.project) == {}


def test_change_of_the_tree_stops_a_release(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_release(lab.project, MINOR)
    monkeypatch.setattr(publish, "read_back", lambda *a: lab.edit("code.txt", "meanwhile"))
    with pytest.raises(ReleaseError, match="changed during the release"):
        publish.publish(lab.project, MINOR, plan)
    assert lab.tags() == lab.tags(lab.project) == {}


STEPS = {
    "before it pushes": ("tiprdc.registry.dvc_store.push", "before"),
    "after it pushed": ("tiprdc.registry.dvc_store.push", "after"),
    "after it read back": ("pipelines.release.publish.read_back", "after"),
    "after it stored a tag": ("tiprdc.registry.git.Git.make_tag", "after"),
    "before it pushes tags": ("tiprdc.registry.git.Git.push_tags", "before"),
    "after it pushed tags": ("tiprdc.registry.git.Git.push_tags", "after"),
    "after it created tags": ("tiprdc.registry.git.Git.create_tags", "after"),
}
KILLED = """
import os, pkgutil, signal, sys
from pathlib import Path
from pipelines.release import publish
from pipelines.release.plan import PlannedArtifact, ReleasePlan, ReleaseRequest
from tiprdc.formats.envelope import parse_envelope
from tiprdc.formats.release_statement import parse_release
from tiprdc.registry.git import Git
from tiprdc.registry.tags import read_registry
root, step, moment, envelope = sys.argv[1:]
owner, _, name = step.rpartition(".")
place = pkgutil.resolve_name(owner)
real = getattr(place, name)
def killed(*arguments):
    if moment == "after":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, killed)
part = PlannedArtifact(
    registry=read_registry(Git(Path(root)), "extractor"), envelope=None,
    release=parse_release(parse_envelope(envelope, ""), ""),
)
plan = ReleasePlan(version="v0.1.0", parts=(part,))
publish.publish(Path(root), ReleaseRequest(bump="minor", stage="prod", push=True), plan)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_release_is_whole_or_nothing_and_resumes(
    lab: Lab, tmp_path: Path, step: str
) -> None:
    request = ReleaseRequest(bump="minor", stage="prod", push=True)
    release_ = plan_release(lab.project, request).parts[0].release
    envelope = encode_json(sign(encode_json(release_statement(release_)), None)).decode()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(lab.project), *STEPS[step], envelope],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    whole = {"extractor@v0.1.0", "extractor#prod#1"}
    for side in (lab.origin, lab.project):
        assert set(lab.tags(side)) in (set(), whole)
    if lab.tags():
        assert pull(str(lab.origin), VersionSelector(stage="prod"), tmp_path / "early", None)
    release(lab, stage="prod")
    assert lab.tags() == lab.tags(lab.project)
    assert set(lab.tags()) == whole
    assert pull(str(lab.origin), VersionSelector(stage="prod"), tmp_path / "late", None)


def test_unpushed_release_is_pushed_later(lab: Lab) -> None:
    release(lab, push=False, stage="prod")
    assert lab.tags() == {}
    assert release(lab, push=True, stage="prod") == []
    assert lab.tags() == lab.tags(lab.project) != {}
