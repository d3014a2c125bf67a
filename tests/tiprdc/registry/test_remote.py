"""A pull fetches tags and one commit, not the history; a server that cannot is cloned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.release_project import Lab
from tests.helpers.web_server import serving
from tiprdc.errors import ReleaseError
from tiprdc.registry import remote
from tiprdc.registry.pull import VersionSelector, pull
from tiprdc.registry.remote import Remote
from tiprdc.registry.signing import read_trust

V1 = VersionSelector(version="v0.1.0")


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path) -> Lab:
    """With a commit, a branch and a tag that no pull needs."""
    lab = released_lab.copy(tmp_path / "lab")
    lab.git("commit", "-q", "--allow-empty", "-m", "later work")
    lab.git("tag", "extractor-int8@v9.0.0")
    lab.git("push", "-q", "origin", "HEAD:main", "extractor-int8@v9.0.0")
    return lab


@pytest.fixture
def plain_server(lab: Lab) -> Iterator[str]:
    """A web server of files, which cannot leave history out."""
    lab.git("update-server-info", at=lab.origin)
    with serving(lab.origin) as origin:
        yield f"{origin}/"


@pytest.mark.parametrize("allowed", [True, False])
def test_history_and_other_tags_are_left_out(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    if not allowed:
        monkeypatch.setattr(remote, "_UPLOAD_PACK", "git upload-pack")
    git = Remote(f"file://{lab.origin}", tmp_path).tags("extractor")
    tags = git.tags()
    assert {name.split("@")[0].split("#")[0] for name in tags} == {"extractor"}
    commits = git("rev-list", "--all").split()
    assert set(commits) == {tag.commit for tag in tags.values()}
    assert len(lab.git("rev-list", "--all").split()) > len(commits)
    missing = git("rev-list", "--objects", "--all", "--missing=print", "--no-object-names")
    assert ("?" in missing) == allowed


def test_files_are_those_of_one_commit(lab: Lab, tmp_path: Path) -> None:
    origin = Remote(f"file://{lab.origin}", tmp_path)
    tag = origin.tags("extractor").tags()["extractor@v0.1.0"]
    git = origin.files(tag)
    assert git("rev-list", "--all").split() == [tag.commit]
    assert git.blob(tag.commit, "params.yaml")


def test_server_that_cannot_leave_history_out_is_cloned_once(
    lab: Lab, tmp_path: Path, plain_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    clone = remote.clone

    def counted(source: str, into: Path) -> object:
        calls.append(source)
        return clone(source, into)

    monkeypatch.setattr(remote, "clone", counted)
    verified = pull(plain_server, V1, tmp_path / "extractor", read_trust(lab.trust))
    assert verified.release.version == "v0.1.0"
    assert calls == [plain_server]


def test_server_that_does_not_answer_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "clone", None)
    with pytest.raises(ReleaseError, match=r"git fetch: .*onnect"):
        Remote("http://127.0.0.1:9/", tmp_path).tags("extractor")
