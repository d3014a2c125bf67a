"""Pull: what arrives, where it may be written, from what sources, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.audit.__main__ import resolve
from tests.helpers.release_project import Lab
from tiprdc.errors import ConfigError, ReleaseError, TiprdcError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.registry.pull import VersionSelector, pull, verify
from tiprdc.registry.signing import read_trust

V1, V2 = VersionSelector(version="v0.1.0"), VersionSelector(version="v0.2.0")
PROD, STAGING = VersionSelector(stage="prod"), VersionSelector(stage="staging")
MODEL = "artifacts/release/extractor.onnx"
EXPECTED = {
    "extractor.onnx",
    "manifest.json",
    "audit.json",
    "model_card.md",
    "release.json",
    "bom.cdx.json",
}


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path) -> Lab:
    return released_lab.copy(tmp_path / "lab")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "device").mkdir()
    return tmp_path / "device" / "extractor"


def left_behind(target: Path) -> list[str]:
    return sorted(entry.name for entry in target.parent.iterdir())


@pytest.mark.parametrize("selector", [V1, PROD, V2, STAGING, VersionSelector()], ids=repr)
def test_pulled_release_is_what_was_released(
    lab: Lab, target: Path, selector: VersionSelector
) -> None:
    verified = pull(str(lab.origin), selector, target, read_trust(lab.trust))
    version = "v0.1.0" if selector in (V1, PROD) else "v0.2.0"
    assert (verified.release.version, verified.release.audit.verdict) == (version, "PASS")
    assert verified.key
    assert verified.key.name == "the releaser"
    assert {entry.name for entry in target.iterdir()} == EXPECTED
    assert left_behind(target) == ["extractor"]
    if version == "v0.2.0":
        assert (target / "extractor.onnx").read_bytes() == (lab.project / MODEL).read_bytes()
    assert verify(target, read_trust(lab.trust)).release == verified.release


@pytest.mark.parametrize("form", ["folder", "bare", "url", "shallow with tags", "mirror of tags"])
def test_repository_may_be_folder_or_url(lab: Lab, target: Path, form: str) -> None:
    if form == "mirror of tags":
        mirror = lab.folder / "shallow"
        lab.git("init", "-q", "--bare", str(mirror), at=lab.folder)
        for _ in range(2):  # The second fetch finds nothing new.
            lab.git("fetch", "-q", "--depth", "1", f"file://{lab.origin}",
                    "refs/tags/extractor*:refs/tags/extractor*", at=mirror)  # fmt: skip
    if form == "shallow with tags":
        shallow = lab.folder / "shallow"
        lab.git("clone", "-q", "--depth", "1", f"file://{lab.origin}", str(shallow), at=lab.folder)
        lab.git("fetch", "-q", "--tags", "--depth", "1", at=shallow)
    sources = {"folder": lab.project, "bare": lab.origin, "url": f"file://{lab.origin}"}
    source = sources.get(form, lab.folder / "shallow")
    assert pull(str(source), V2, target, None).key is None
    assert {entry.name for entry in target.iterdir()} == EXPECTED


def link_to(place: Path) -> Callable[[Path], Path]:
    def make(target: Path) -> Path:
        target.symlink_to(place)
        return target

    return make


def below_a_link(target: Path) -> Path:
    real = target.with_name("real")
    real.mkdir()
    target.with_name("link").symlink_to(real)
    return target.with_name("link") / "extractor"


def full(target: Path) -> Path:
    target.mkdir()
    (target / "mine").write_text("mine")
    return target


def a_file(target: Path) -> Path:
    target.write_text("mine")
    return target


TARGETS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "link to a folder": (lambda t: link_to(t.parent)(t), "a path without links"),
    "link to nothing": (link_to(Path("/nowhere/at/all")), "a path without links"),
    "below a link": (below_a_link, "a path without links"),
    "full": (full, "already exists"),
    "a file": (a_file, "already exists"),
    "no parent": (lambda t: t / "deeper", "no such folder"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_existing_or_linked_target_is_refused(lab: Lab, target: Path, name: str) -> None:
    make, words = TARGETS[name]
    place = make(target)
    before = sorted(target.parent.rglob("*"))
    with pytest.raises(ConfigError, match=words):
        pull(str(lab.origin), V2, place, None)
    assert sorted(target.parent.rglob("*")) == before


@pytest.mark.parametrize("source", ["--upload-pack=touch evil", "ext::touch evil", "nowhere", ""])
def test_source_is_never_run_as_a_command(
    target: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(target.parent)
    with pytest.raises(TiprdcError, match="git clone"):
        pull(source, V2, target, None)
    assert left_behind(target) == []


def test_credentials_in_url_are_not_printed(target: Path) -> None:
    with pytest.raises(TiprdcError) as refused:
        pull("https://me:secret@127.0.0.1:9/none.git", V2, target, None)
    assert "secret" not in str(refused.value)


def test_shallow_clone_without_tags_gets_a_hint(lab: Lab, target: Path) -> None:
    shallow = lab.folder / "shallow"
    lab.git("clone", "-q", "--depth", "1", "--no-tags", f"file://{lab.origin}", str(shallow),
            at=lab.folder)  # fmt: skip
    with pytest.raises(TiprdcError, match="git fetch --tags"):
        pull(str(shallow), V2, target, None)
    assert left_behind(target) == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["read_registry", "fetch", "write_statement", "check"])
def test_killed_pull_leaves_nothing_after_the_next(lab: Lab, target: Path, moment: str) -> None:
    """SIGKILL at a step: no target, and the next pull deletes the rest."""
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tiprdc.registry import dvc_store, pull\n"
        f"place = dvc_store if {moment!r} == 'fetch' else pull\n"
        f"setattr(place, {moment!r}, lambda *a: os.kill(os.getpid(), signal.SIGKILL))\n"
        "pull.pull(sys.argv[1], pull.VersionSelector(), Path(sys.argv[2]), None)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(lab.origin), str(target)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert pull(str(lab.origin), V2, target, None).release.version == "v0.2.0"
    assert left_behind(target) == ["extractor"]


def test_two_pulls_at_once_keep_each_others_files(lab: Lab, target: Path) -> None:
    with atomic_directory(target) as payload:
        (payload / "mine").write_text("mine")
        # The second finds the first one's folder, and that it is locked.
        assert pull(str(lab.origin), V2, target, None)
        assert (payload / "mine").exists()
        with pytest.raises(ConfigError, match="already exists"):
            pull(str(lab.origin), V2, target, None)
        target.rename(target.with_name("pulled"))
    assert left_behind(target) == ["extractor", "pulled"]


def test_version_is_resolved_to_the_bytes_of_its_tag(lab: Lab) -> None:
    folder = resolve("extractor@v0.1.0", lab.project)
    assert folder == lab.project / "runs" / "pulled" / "extractor@v0.1.0"
    assert verify(folder, read_trust(lab.trust)).release.version == "v0.1.0"
    assert resolve("extractor@v0.1.0", lab.project) == folder
    (folder / "extractor.onnx").write_bytes(b"another")
    with pytest.raises(ReleaseError, match=r"extractor\.onnx"):
        resolve("extractor@v0.1.0", lab.project)
    with pytest.raises(ReleaseError, match=r"v9\.0\.0"):
        resolve("extractor@v9.0.0", lab.project)
