"""Faults between a release and a puller: no bad byte is accepted, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.audit.__main__ import resolve
from pipelines.params import load
from pipelines.release import lifecycle
from tests.helpers.release_project import Lab, audit_report
from tiprdc.audit.config import AuditConfig
from tiprdc.errors import ConfigError, ReleaseError, TiprdcError
from tiprdc.formats.files import sha256
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VersionSelector, pull, verify
from tiprdc.registry.release_folder import atomic_directory
from tiprdc.registry.signing import generate, load_private, read_trust, sign

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
Break = Callable[[Lab], None]


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path) -> Lab:
    return released_lab.copy(tmp_path / "lab")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "device").mkdir()
    return tmp_path / "device" / "extractor"


def left_behind(target: Path) -> list[str]:
    return sorted(entry.name for entry in target.parent.iterdir())


@pytest.mark.parametrize("wanted", [V1, PROD, V2, STAGING, VersionSelector()], ids=repr)
def test_what_was_released_is_what_is_pulled(
    lab: Lab, target: Path, wanted: VersionSelector
) -> None:
    checked = pull(str(lab.origin), wanted, target, read_trust(lab.trust))
    version = "v0.1.0" if wanted in (V1, PROD) else "v0.2.0"
    assert (checked.release.version, checked.release.verdict) == (version, "PASS")
    assert checked.key
    assert checked.key.name == "the releaser"
    assert {entry.name for entry in target.iterdir()} == EXPECTED
    assert left_behind(target) == ["extractor"]
    if version == "v0.2.0":
        assert (target / "extractor.onnx").read_bytes() == (lab.project / MODEL).read_bytes()
    assert verify(target, read_trust(lab.trust)).release == checked.release


@pytest.mark.parametrize("form", ["folder", "bare", "url", "shallow with tags"])
def test_a_repository_may_be_a_folder_or_a_url(lab: Lab, target: Path, form: str) -> None:
    if form == "shallow with tags":
        shallow = lab.folder / "shallow"
        lab.git("clone", "-q", "--depth", "1", f"file://{lab.origin}", str(shallow), at=lab.folder)
        lab.git("fetch", "-q", "--tags", "--depth", "1", at=shallow)
    sources = {"folder": lab.project, "bare": lab.origin, "url": f"file://{lab.origin}"}
    source = sources.get(form, lab.folder / "shallow")
    assert pull(str(source), V2, target, None).key is None
    assert {entry.name for entry in target.iterdir()} == EXPECTED


# --- faults ---------------------------------------------------------------------------------


def object_(change: Callable[[bytes], bytes], path: str = MODEL) -> Break:
    def fault(lab: Lab) -> None:
        stored = lab.stored(path)
        stored.write_bytes(change(stored.read_bytes()))

    return fault


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def swapped(lab: Lab) -> None:
    """Valid bytes of another version under this version's name."""
    lab.git("checkout", "-q", "extractor@v0.1.0")
    lab.dvc("checkout", "-q")
    other = lab.stored(MODEL).read_bytes()
    lab.git("checkout", "-q", "main")
    lab.dvc("checkout", "-q")
    lab.stored(MODEL).write_bytes(other)


def listing(change: Callable[[list[dict[str, str]]], object]) -> Break:
    def fault(lab: Lab) -> None:
        entries = json.loads(lab.listing().read_text())
        lab.listing().write_text(json.dumps(change(entries)))

    return fault


def redirected(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    """Each name leads to the other's bytes."""
    digests = [entry["md5"] for entry in reversed(entries)]
    return [{**entry, "md5": digest} for entry, digest in zip(entries, digests, strict=True)]


def statement(**changes: Any) -> Break:
    """The statement says something else; its signature stays."""
    return lambda lab: lab.retag("extractor@v0.2.0", lambda e: e["statement"].update(changes))


def files(change: Callable[[dict[str, Any]], None]) -> Break:
    return lambda lab: lab.retag("extractor@v0.2.0", lambda e: change(e["statement"]["files"]))


def renamed(name: str) -> Break:
    def change(stated: dict[str, Any]) -> None:
        stated[name] = stated.pop("extractor.onnx")

    return files(change)


def added(name: str) -> Break:
    return files(lambda stated: stated.update({name: dict(stated["model_card.md"])}))


def model(**changes: Any) -> Break:
    return files(lambda stated: stated["extractor.onnx"].update(changes))


def message(text: str) -> Break:
    def fault(lab: Lab) -> None:
        git = Git(lab.origin)
        commit = git.tags()["extractor@v0.2.0"].commit
        git("update-ref", "refs/tags/extractor@v0.2.0",
            git.make_tag("extractor@v0.2.0", commit, text))  # fmt: skip

    return fault


def forged(lab: Lab) -> None:
    """Whoever can write to Git and to DVC's remote has made everything fit but the signature."""
    evil = flipped(lab.stored(MODEL).read_bytes())
    lab.stored(MODEL).write_bytes(evil)
    digest = sha256(lab.stored(MODEL))
    for path, name in (
        (f"{MODEL[:-14]}manifest.json", "manifest"),
        ("reports/audit.json", "audit"),
    ):
        stored = lab.stored(path)
        document = json.loads(stored.read_text())
        if name == "manifest":
            document["files"]["extractor.onnx"]["sha256"] = digest
        else:
            document["model_sha256"] = digest
        stored.write_text(json.dumps(document))
        size, found = stored.stat().st_size, sha256(stored)
        files(lambda f, n=name, s=size, h=found: f[f"{n}.json"].update(bytes=s, sha256=h))(lab)
    model(sha256=digest)(lab)


def failed_audit(lab: Lab) -> None:
    """The statement claims PASS and names an audit that says something else."""
    stored = lab.stored("reports/audit.json")
    digest = sha256(lab.project / MODEL)
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    stored.write_text(audit_report(config, digest, rate=0.9).to_json())
    size, found = stored.stat().st_size, sha256(stored)
    files(lambda f: f["audit.json"].update(bytes=size, sha256=found))(lab)


def edited_verdict(lab: Lab) -> None:
    lab.retag("extractor@v0.2.0", lambda e: e["statement"]["audit"].update(verdict="FAIL"))


def audit_of_another(lab: Lab) -> None:
    stored = lab.stored("reports/audit.json")
    stored.write_text(stored.read_text().replace(sha256(lab.project / MODEL), "e" * 64))
    size, found = stored.stat().st_size, sha256(stored)
    files(lambda f: f["audit.json"].update(bytes=size, sha256=found))(lab)


def moved(lab: Lab) -> None:
    """The name of the newer version leads to the older tag."""
    old = lab.tags()["extractor@v0.1.0"]
    lab.git("update-ref", "refs/tags/extractor@v0.2.0", old, at=lab.origin)


def moved_with_its_name(lab: Lab) -> None:
    old = Git(lab.origin).tags()["extractor@v0.1.0"].commit
    lab.retag("extractor@v0.2.0", commit=old)


def older_statement(lab: Lab) -> None:
    """The newer version's tag, commit and name with the older version's signed statement."""
    git = Git(lab.origin)
    text = git.message(git.tags()["extractor@v0.1.0"])
    message(text)(lab)


def by_hand(lab: Lab) -> None:
    lab.git("tag", "-f", "extractor@v0.2.0", "main", at=lab.origin)


def rewritten(lab: Lab) -> None:
    """The same tree in a history of its own; the old commits are gone."""
    tree = lab.git("rev-parse", "main^{tree}").strip()
    commit = lab.git("commit-tree", tree, "-m", "all anew").strip()
    lab.git("push", "-q", "--force", "origin", f"{commit}:refs/heads/main")
    lab.retag("extractor@v0.2.0", commit=commit)


def rewritten_and_said(lab: Lab) -> None:
    rewritten(lab)
    commit = lab.git("rev-parse", "main", at=lab.origin).strip()
    lab.retag("extractor@v0.2.0", lambda e: e["statement"].update(revision=commit))


def no_change(lab: Lab) -> None:
    pass


def no_tags(lab: Lab) -> None:
    for name in lab.tags():
        lab.git("tag", "-d", name, at=lab.origin)


def promoted_by_a_stranger(lab: Lab) -> None:
    lifecycle.promote(lab.project, "v0.2.0", "prod", None, push=True)


def promoted_by_a_tag(lab: Lab) -> None:
    lab.git("tag", "extractor#prod#9", "main", at=lab.origin)


def promotion_replayed(lab: Lab) -> None:
    lab.retag("extractor#staging#2", as_name="extractor#staging#9")


def promotion_moved(lab: Lab) -> None:
    old = Git(lab.origin).tags()["extractor@v0.1.0"].commit
    lab.retag("extractor#staging#2", commit=old)


def stripped(lab: Lab) -> None:
    lab.retag("extractor@v0.2.0", lambda e: e.update(signatures=[]))


def signature(change: Callable[[dict[str, str]], object]) -> Break:
    return lambda lab: lab.retag("extractor@v0.2.0", lambda e: change(e["signatures"][0]))


def as_a_promotion(lab: Lab) -> None:
    """A good signature of the right key, given for something else."""
    key = load_private(lab.key)
    lab.retag(
        "extractor@v0.2.0",
        lambda e: e.update(signatures=[sign(e["statement"], "promotion", key)]),
    )


def deprecated(lab: Lab) -> None:
    lifecycle.deprecate(lab.project, "v0.2.0", "it leaks a bit", push=True)


def reaudited(lab: Lab) -> None:
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    found = lab.folder / "later.json"
    found.write_text(
        audit_report(config, sha256(lab.project / MODEL), rate=0.8, suite="2.0.0").to_json()
    )
    lifecycle.reaudit(lab.project, "v0.2.0", found, push=True)


def unreadable_reaudit(lab: Lab) -> None:
    lab.git("tag", "-a", "-m", "?", "extractor+v0.2.0+audit+1", "main", at=lab.origin)


def no_dvc(lab: Lab) -> None:
    """A commit that is no DVC project, with everything else as it was."""
    lab.git("rm", "-rq", ".dvc")
    lab.git("commit", "-qm", "no DVC")
    lab.git("push", "-q", "origin", "main")
    commit = lab.git("rev-parse", "main").strip()
    lab.retag("extractor@v0.2.0", lambda e: e["statement"].update(revision=commit), commit=commit)


def wiped(folder: str) -> Break:
    return lambda lab: shutil.rmtree(lab.folder / folder)


def gone(path: str) -> Break:
    return lambda lab: lab.stored(path).unlink()


FAULTS: dict[str, tuple[Break, VersionSelector, bool, str]] = {
    # DVC's remote
    "bit flip": (object_(flipped), V2, True, "sha256"),
    "bit flip, nobody trusted": (object_(flipped), V2, False, "sha256"),
    "bit flip in the audit": (object_(flipped, "reports/audit.json"), V2, True, "sha256"),
    "bit flip in the card": (object_(flipped, "reports/model_card.md"), V2, True, "sha256"),
    "truncation": (object_(lambda b: b[:-1]), V2, True, "bytes"),
    "longer": (object_(lambda b: b + b"\0"), V2, True, "more than"),
    "empty": (object_(lambda b: b""), V2, True, "0 bytes"),
    "swapped object": (swapped, V2, True, "sha256"),
    "missing object": (gone(MODEL), V2, True, "extractor.onnx"),
    "missing audit": (gone("reports/audit.json"), V2, True, "audit.json"),
    "listing redirected": (listing(redirected), V2, True, "bytes"),
    "listing empty": (listing(lambda e: []), V2, True, "extractor.onnx"),
    "listing of another kind": (listing(lambda e: {"a": 1}), V2, True, "artifacts/release"),
    "listing gone": (lambda lab: lab.listing().unlink(), V2, True, "artifacts/release"),
    "whole remote gone": (wiped("store"), V2, True, "DVC remote"),
    # Git: tags
    "moved tag": (moved, V2, True, "holds the tag extractor@v0.1.0"),
    "moved tag, nobody trusted": (moved, V2, False, "holds the tag extractor@v0.1.0"),
    "moved tag with its name": (moved_with_its_name, V2, False, "says it is"),
    "older statement": (older_statement, V2, True, "says it is"),
    "tag by hand": (by_hand, V2, False, "without a statement"),
    "rewritten history": (rewritten, V2, False, "says it is"),
    "rewritten history and statement": (rewritten_and_said, V2, True, "does not fit"),
    "missing tags": (no_tags, V2, True, "not registered"),
    "missing tags, any version": (no_tags, VersionSelector(), True, "no version"),
    "missing tags, by stage": (no_tags, PROD, True, "no version is in that stage"),
    "unknown version": (no_change, VersionSelector(version="v7.0.0"), True, "not registered"),
    "no version at all": (no_change, VersionSelector(version="latest"), True, "e.g. v1.2.0"),
    "unknown artifact": (no_change, VersionSelector(artifact="other"), True, "no version"),
    "unknown stage": (no_change, VersionSelector(stage="pro"), True, "did you mean 'prod'"),
    "no DVC in the commit": (no_dvc, V2, False, "DVC"),
    "repository gone": (wiped("origin.git"), V2, True, "git clone"),
    # the statement
    "edited manifest": (model(sha256="f" * 64), V2, True, "does not fit"),
    "edited manifest, nobody trusted": (model(sha256="f" * 64), V2, False, "sha256"),
    "edited manifest and bytes": (forged, V2, True, "does not fit"),
    "edited verdict": (edited_verdict, V2, False, "PASS"),
    "audit that failed": (failed_audit, V2, False, "FAIL of model"),
    "audit of another model": (audit_of_another, V2, False, "PASS of model eeeeeeeeeeee"),
    "no audit": (files(lambda f: f.pop("audit.json")), V2, False, "no audit.json"),
    "other artifact": (statement(artifact="other"), V2, False, "says it is"),
    "later version of statements": (statement(statement_version=2), V2, False, "version"),
    "name that climbs": (added("../evil"), V2, False, "plain file names"),
    "name from the root": (added("/etc/evil"), V2, False, "plain file names"),
    "name with a backslash": (added("..\\evil"), V2, False, "plain file names"),
    "hidden name": (added(".bashrc"), V2, False, "plain file names"),
    "name of ours": (added("release.json"), V2, False, "plain file names"),
    "names that differ in case": (added("Audit.json"), V2, False, "case alone"),
    "model of another name": (renamed("model.onnx"), V2, False, "no extractor.onnx"),
    "path that climbs": (model(path="../../etc/passwd"), V2, False, "not a release"),
    "path from the root": (model(path="/etc/passwd"), V2, False, "not a release"),
    "path into Git": (model(path=".git/config"), V2, False, "not a release"),
    "path of another file": (model(path="code.txt"), V2, False, "bytes"),
    "path of no file": (model(path="artifacts/none"), V2, False, "artifacts/none"),
    "negative size": (model(bytes=-1), V2, False, "not a release"),
    "size of a disk": (model(bytes=2**60), V2, False, "not a release"),
    "size as text": (model(bytes="151"), V2, False, "not a release"),
    "bill of materials gone": (statement(bom=None), V2, False, "not a release"),
    "no statement": (message("hello"), V2, False, "without a statement"),
    "no JSON": (message("x\n\n{"), V2, False, "no statement can be read"),
    "not a number": (message('x\n\n{"statement": NaN}'), V2, False, "no statement can be read"),
    "a key twice": (message('x\n\n{"a": 1, "a": 2}'), V2, False, "no statement can be read"),
    "deep nesting": (message("x\n\n{" + '"a":[' * 100000), V2, False, "no statement can be read"),
    # signatures
    "nobody signed": (stripped, V2, True, "nobody signed"),
    "half a signature": (signature(lambda s: s.update(ed25519="AA==")), V2, True, "does not fit"),
    "unknown key": (signature(lambda s: s.update(key="0" * 16)), V2, True, "unknown to you"),
    "signed as a promotion": (as_a_promotion, V2, True, "does not fit"),
    "promoted without a key": (promoted_by_a_stranger, PROD, True, "nobody signed"),
    "promoted by a bare tag": (promoted_by_a_tag, PROD, True, "without a statement"),
    "promotion replayed": (promotion_replayed, STAGING, True, "a promotion of something else"),
    "promotion moved": (promotion_moved, STAGING, True, "a promotion of something else"),
    # objections
    "deprecated": (deprecated, V2, True, "it leaks a bit"),
    "deprecated, by stage": (deprecated, STAGING, True, "it leaks a bit"),
    "failed a later audit": (reaudited, V2, True, "suite 2.0.0) says FAIL"),
    "later audit is unreadable": (unreadable_reaudit, V2, True, "says unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_and_leaves_nothing(lab: Lab, target: Path, name: str) -> None:
    fault, wanted, trusting, words = FAULTS[name]
    trusted = read_trust(lab.trust) if trusting else None
    fault(lab)
    with pytest.raises(TiprdcError) as refused:
        pull(str(lab.origin), wanted, target, trusted)
    assert words in str(refused.value)
    assert left_behind(target) == []


@pytest.mark.parametrize("fault", [deprecated, reaudited])
def test_the_newest_version_is_one_that_nobody_objects_to(
    lab: Lab, target: Path, fault: Break
) -> None:
    fault(lab)
    assert pull(str(lab.origin), VersionSelector(), target, None).release.version == "v0.1.0"
    other = target.with_name("other")
    wanted = VersionSelector(version="v0.2.0", objected=True)
    assert pull(str(lab.origin), wanted, other, None).release.version == "v0.2.0"


def test_without_trust_a_forgery_that_fits_is_taken_as_what_nobody_vouched_for(
    lab: Lab, target: Path
) -> None:
    """What --trust is for: this is what digests alone cannot see."""
    forged(lab)
    assert pull(str(lab.origin), V2, target, None).key is None


@pytest.mark.parametrize("day", [date(2027, 1, 1), date(2027, 1, 2)])
def test_a_key_counts_until_its_last_day(lab: Lab, target: Path, day: date) -> None:
    document = json.loads(lab.trust.read_text())
    document["keys"][0]["expires"] = "2027-01-01"
    lab.trust.write_text(json.dumps(document))
    trusted = read_trust(lab.trust)
    if day == date(2027, 1, 1):
        assert pull(str(lab.origin), V2, target, trusted, day).key
        return
    with pytest.raises(TiprdcError, match="the key of the releaser expired on 2027-01-01"):
        pull(str(lab.origin), V2, target, trusted, day)
    assert left_behind(target) == []


def test_another_key_is_not_enough(lab: Lab, target: Path, tmp_path: Path) -> None:
    generate("somebody else", tmp_path / "k", tmp_path / "t")
    with pytest.raises(TiprdcError, match="unknown to you"):
        pull(str(lab.origin), V2, target, read_trust(tmp_path / "t"))
    assert left_behind(target) == []


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
    "full": (full, "is there already"),
    "a file": (a_file, "is there already"),
    "no parent": (lambda t: t / "deeper", "no such folder"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_that_is_taken_or_behind_a_link_is_refused(
    lab: Lab, target: Path, name: str
) -> None:
    make, words = TARGETS[name]
    place = make(target)
    before = sorted(target.parent.rglob("*"))
    with pytest.raises(ConfigError, match=words):
        pull(str(lab.origin), V2, place, None)
    assert sorted(target.parent.rglob("*")) == before


@pytest.mark.parametrize("source", ["--upload-pack=touch evil", "ext::touch evil", "nowhere", ""])
def test_a_source_is_never_a_command(
    target: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(target.parent)
    with pytest.raises(TiprdcError, match="git clone"):
        pull(source, V2, target, None)
    assert left_behind(target) == []


def test_credentials_in_a_url_are_not_repeated(target: Path) -> None:
    with pytest.raises(TiprdcError) as refused:
        pull("https://me:secret@127.0.0.1:9/none.git", V2, target, None)
    assert "secret" not in str(refused.value)


def test_a_shallow_clone_without_tags_is_told_the_mend(lab: Lab, target: Path) -> None:
    shallow = lab.folder / "shallow"
    lab.git("clone", "-q", "--depth", "1", "--no-tags", f"file://{lab.origin}", str(shallow),
            at=lab.folder)  # fmt: skip
    with pytest.raises(TiprdcError, match="git fetch --tags"):
        pull(str(shallow), V2, target, None)
    assert left_behind(target) == []


@pytest.mark.parametrize("moment", ["clone", "fetch", "write_statement", "check"])
def test_a_killed_pull_leaves_nothing_after_the_next(lab: Lab, target: Path, moment: str) -> None:
    """SIGKILL at a step: no target; the next pull takes away what was beside it."""
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


def test_two_pulls_at_once_do_not_take_away_each_others_work(lab: Lab, target: Path) -> None:
    with atomic_directory(target) as payload:
        (payload / "mine").write_text("mine")
        # The second sees the first one's folder, and that somebody holds its lock.
        assert pull(str(lab.origin), V2, target, None)
        assert (payload / "mine").exists()
        with pytest.raises(ConfigError, match="is there already"):
            pull(str(lab.origin), V2, target, None)
        target.rename(target.with_name("pulled"))
    assert left_behind(target) == ["extractor", "pulled"]


# --- verify ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pulled(released_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pulled") / "extractor"
    released_lab.link.unlink()
    released_lab.link.symlink_to(released_lab.store)
    pull(str(released_lab.origin), V2, target, None)
    return target


def replace_with_link(path: Path) -> None:
    copy = path.parent.with_name("copy")
    shutil.copyfile(path, copy)
    path.unlink()
    path.symlink_to(copy)


def said(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        document = json.loads((folder / "release.json").read_text())
        change(document)
        (folder / "release.json").write_text(json.dumps(document))

    return fault


def bit(name: str) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        (folder / name).write_bytes(flipped((folder / name).read_bytes()))

    return fault


LATER: dict[str, tuple[Callable[[Path], Any], str]] = {
    **{f"bit flip in {name}": (bit(name), "") for name in sorted(EXPECTED)},
    **{f"{n} missing": (lambda d, n=n: (d / n).unlink(), "") for n in sorted(EXPECTED)},
    **{f"{n} a link": (lambda d, n=n: replace_with_link(d / n), "") for n in sorted(EXPECTED)},
    "one file too many": (lambda d: (d / "more.txt").write_text(""), "not of the release"),
    "a folder too many": (lambda d: (d / "more").mkdir(), "not of the release"),
    "statement changed": (said(lambda e: e["statement"].update(version="v0.3.0")), "does not fit"),
    "signature taken away": (said(lambda e: e.update(signatures=[])), "nobody signed"),
    "no folder": (shutil.rmtree, "no such file"),
}


@pytest.mark.parametrize("name", LATER)
def test_a_change_after_the_pull_is_found_offline(
    pulled: Path, released_lab: Lab, tmp_path: Path, name: str
) -> None:
    fault, words = LATER[name]
    folder = tmp_path / "folder"
    shutil.copytree(pulled, folder)
    trusted = read_trust(released_lab.trust)
    assert verify(folder, trusted).key
    fault(folder)
    with pytest.raises(TiprdcError) as refused:
        verify(folder, trusted)
    assert words in str(refused.value)


def test_a_version_is_audited_again_from_the_bytes_that_its_tag_names(lab: Lab) -> None:
    folder = resolve("extractor@v0.1.0", lab.project)
    assert folder == lab.project / "runs" / "pulled" / "extractor@v0.1.0"
    assert verify(folder, read_trust(lab.trust)).release.version == "v0.1.0"
    assert resolve("extractor@v0.1.0", lab.project) == folder
    (folder / "extractor.onnx").write_bytes(b"another")
    with pytest.raises(ReleaseError, match=r"extractor\.onnx"):
        resolve("extractor@v0.1.0", lab.project)
    with pytest.raises(ReleaseError, match=r"v9\.0\.0"):
        resolve("extractor@v9.0.0", lab.project)
