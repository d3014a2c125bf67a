"""Our git commands do the same whatever the user's settings, hooks and environment are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.release.checks import ARTIFACTS, REMOTE, git_remote, tree
from pipelines.release.publish import create
from tiprdc.errors import ReleaseError
from tiprdc.registry.git import Git, clone

UNPUSHED = "extractor@v0.1.0"
PUSHED = "extractor@v0.2.0"


class Project:
    """A clone with a tag of its own, and its bare remote with another tag."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.origin = folder / "project", folder / "origin.git"
        plain(folder, "init", "-q", "--bare", "-b", "main", str(self.origin))
        plain(folder, "init", "-q", "-b", "main", str(self.folder))
        plain(self.folder, "remote", "add", REMOTE, str(self.origin))
        plain(self.folder, "commit", "-q", "--allow-empty", "-m", "one")
        plain(self.folder, "tag", "-a", PUSHED, "-m", "pushed")
        plain(self.folder, "push", "-q", REMOTE, "main", PUSHED)
        plain(self.folder, "tag", "-d", PUSHED)
        plain(self.folder, "tag", "-a", UNPUSHED, "-m", "not pushed yet")
        self.git = Git(self.folder)

    def hook(self, name: str, marker: Path) -> None:
        path = self.folder / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{marker}'\nexit 1\n")
        path.chmod(0o755)

    def publish(self, name: str) -> None:
        """Register a version as a release with --push does."""
        commit = self.git("rev-parse", "HEAD").strip()
        tags = {name: self.git.make_tag(name, commit, "a version")}
        create(self.git, tags, tags)


def plain(folder: Path, *words: str) -> str:
    """Git as the user runs it."""
    return subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
    return Project(tmp_path)


HOSTILE = {
    "fetch.prune": "true",
    "fetch.pruneTags": "true",
    "remote.origin.prune": "true",
    "remote.origin.pruneTags": "true",
    "remote.origin.tagOpt": "--tags",
    "remote.origin.mirror": "true",
    "push.followTags": "true",
    "push.gpgSign": "true",
    "push.pushOption": "ci.skip",
    "push.recurseSubmodules": "only",
    "push.default": "nothing",
    "commit.gpgSign": "true",
    "tag.gpgSign": "true",
    "commit.template": "/nowhere",
    "gpg.program": "false",
    "submodule.recurse": "true",
    "core.fsmonitor": "false",
    "core.pager": "false",
    "color.ui": "always",
    "column.ui": "always",
    "log.showSignature": "true",
    "i18n.logOutputEncoding": "UTF-16",
    "status.showUntrackedFiles": "no",
    "init.templateDir": "/nowhere",
    "clone.defaultRemoteName": "elsewhere",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_setting_changes_neither_fetch_nor_push(project: Project, name: str) -> None:
    plain(project.folder, "tag", "-a", "private-note", "-m", "of the user")
    plain(project.folder, "config", name, HOSTILE[name])
    (project.folder / "new.txt").write_text("new")
    assert list(git_remote(project.git, push=True)) == []
    assert {UNPUSHED, PUSHED, "private-note"} == set(project.git.tags())
    assert ["not committed: new.txt" in reason for reason in tree(project.git)] == [True]
    project.publish("extractor@v0.3.0")
    assert set(Git(project.origin).tags()) == {PUSHED, "extractor@v0.3.0"}
    assert project.git("log", "-1", "--format=%s") == "one\n"


def test_all_settings_at_once_for_the_user_and_for_a_clone(
    project: Project, tmp_path: Path
) -> None:
    for name, value in HOSTILE.items():
        plain(project.folder, "config", "--global", name, value)
    assert list(git_remote(project.git, push=True)) == []
    project.publish("extractor@v0.3.0")
    copy = clone(str(project.origin), tmp_path / "copy")
    assert set(copy.tags()) == {PUSHED, "extractor@v0.3.0"}
    assert copy("remote") == "origin\n"


@pytest.mark.parametrize("spec", ["+refs/tags/*:refs/tags/*", "+refs/*:refs/*"])
def test_refspec_of_the_remote_overwrites_no_tag(project: Project, spec: str) -> None:
    """With it, Git itself names a pushed tag here, and moves tags of the same name."""
    plain(project.folder, "config", "--add", "remote.origin.fetch", spec)
    plain(project.folder, "config", "fetch.prune", "true")
    plain(project.folder, "tag", "-a", PUSHED, "-m", "another of this name")
    before = project.git.tags()
    assert any("clobber" in reason for reason in git_remote(project.git, push=False))
    assert project.git.tags() == before
    project.publish("extractor@v0.3.0")
    assert project.git.tags().keys() == {*before, "extractor@v0.3.0"}


HOOKS: dict[str, Callable[[Project], object]] = {
    "pre-push": lambda project: project.publish("extractor@v0.3.0"),
    "reference-transaction": lambda project: project.publish("extractor@v0.3.0"),
    "fsmonitor": lambda project: list(tree(project.git)),
}


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("place", ["repository", "core.hooksPath"])
def test_hook_of_the_user_does_not_run(
    project: Project, tmp_path: Path, name: str, place: str
) -> None:
    marker, hooks = tmp_path / "ran", project.folder / ".git" / "hooks"
    project.hook(name, marker)
    if place == "core.hooksPath":
        hooks = hooks.rename(tmp_path / "hooks")
        plain(project.folder, "config", "core.hooksPath", str(hooks))
    if name == "fsmonitor":
        plain(project.folder, "config", "core.fsmonitor", str(hooks / name))
    HOOKS[name](project)
    assert not marker.exists()


def test_hook_of_the_server_runs(project: Project) -> None:
    """Whoever keeps the remote decides what it takes."""
    hook = project.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ReleaseError, match="pre-receive hook declined"):
        project.publish("extractor@v0.3.0")
    assert set(project.git.tags()) == {UNPUSHED}


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY"])
def test_variable_names_no_other_repository(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = project.git.tags()
    monkeypatch.setenv(name, str(tmp_path / "other"))
    assert project.git.tags() == before
    assert list(git_remote(project.git, push=True)) == []


def test_address_of_a_remote_stays_the_users(project: Project) -> None:
    plain(project.folder, "remote", "set-url", REMOTE, "far:origin.git")
    base = f"url.{project.origin.parent}/.insteadOf"
    plain(project.folder, "config", "--global", base, "far:")
    assert list(git_remote(project.git, push=True)) == []
    assert PUSHED in project.git.tags()


def test_replaced_object_is_not_read(project: Project) -> None:
    (project.folder / "params.yaml").write_text("right")
    plain(project.folder, "add", "params.yaml")
    plain(project.folder, "commit", "-q", "-m", "two")
    (project.folder / "other").write_text("wrong")
    wrong = plain(project.folder, "hash-object", "-w", "other").strip()
    right = plain(project.folder, "rev-parse", "HEAD:params.yaml").strip()
    plain(project.folder, "replace", right, wrong)
    assert project.git.blob("HEAD", "params.yaml") == b"right"


def test_every_artifact_is_fetched(project: Project) -> None:
    for artifact in ARTIFACTS:
        project.git("push", REMOTE, f"{UNPUSHED}:refs/tags/{artifact}#prod#1")
    list(git_remote(project.git, push=True))
    assert {f"{artifact}#prod#1" for artifact in ARTIFACTS} < set(project.git.tags())
