"""What stops a release, every reason at once; a stopped one leaves no half of a version."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gto.api
import pytest
from typer.testing import CliRunner

from pipelines.params import load
from pipelines.release import __main__ as command
from pipelines.release import lifecycle, publish
from pipelines.release.checks import RefusedError, ReleaseRequest, check
from tests.helpers.release_project import Lab, audit_report, release, write_release
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit import release_gate
from tiprdc.audit.config import AuditConfig
from tiprdc.errors import ReleaseError
from tiprdc.formats.files import sha256
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VersionSelector, pull

AUDIT, MANIFEST = "reports/audit.json", "artifacts/release/manifest.json"
MODEL = "artifacts/release/extractor.onnx"
MINOR = ReleaseRequest(bump="minor", push=True)


@pytest.fixture
def lab(audited_lab: Lab, tmp_path: Path) -> Lab:
    return audited_lab.copy(tmp_path / "lab")


def reasons(lab: Lab, asked: ReleaseRequest = MINOR) -> list[str]:
    """Why it is refused; nothing may have come of it."""
    before = lab.tags(), lab.tags(lab.project), sorted(lab.store.rglob("*"))
    with pytest.raises(RefusedError) as refused:
        check(lab.project, asked)
    assert (lab.tags(), lab.tags(lab.project), sorted(lab.store.rglob("*"))) == before
    return refused.value.reasons


def rewritten(file: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Lab], None]:
    """Edit a finding and make DVC and Git believe that the graph wrote it so."""

    def fault(lab: Lab) -> None:
        document = json.loads((lab.project / file).read_text())
        change(document)
        lab.edit(file, json.dumps(document))
        lab.commit()

    return fault


def verdict(rate: float, said: str) -> Callable[[Lab], None]:
    """An audit whose attackers were right so often, with this verdict written over its own."""

    def fault(lab: Lab) -> None:
        write_release(lab.project, 1.0, rate=rate)
        over = {"verdict": said, "reasons": []}
        rewritten(AUDIT, lambda d: d.update(over) or d["attributes"]["skin_tone"].update(over))(lab)

    return fault


def other_model(lab: Lab) -> None:
    """The extractor and its manifest are new, the audit is the old one's."""
    old = (lab.project / AUDIT).read_text()
    write_release(lab.project, 3.0)
    lab.edit(AUDIT, old)
    lab.commit()


def policy(lab: Lab) -> None:
    text = (lab.project / "params.yaml").read_text()
    lab.edit("params.yaml", text.replace("margin: 0.1\n", "margin: 0.05\n"))
    lab.commit()


def attacks(lab: Lab) -> None:
    text = (lab.project / "params.yaml").read_text()
    lab.edit("params.yaml", text.replace("    - kernel\n    - mlp\n    - cnn\n", "    - mlp\n", 1))
    lab.commit()


def code(lab: Lab) -> None:
    """Committed code that the graph has not run with."""
    lab.edit("code.txt", "other code\n")
    lab.git("commit", "-qam", "other code")


def without(file: str) -> Callable[[Lab], None]:
    return lambda lab: (lab.project / file).unlink()


def flipped(lab: Lab) -> None:
    content = bytearray((lab.project / MODEL).read_bytes())
    content[-1] ^= 1
    (lab.project / MODEL).write_bytes(content)


def linked(lab: Lab) -> None:
    elsewhere = lab.folder / "elsewhere.onnx"
    (lab.project / MODEL).rename(elsewhere)
    (lab.project / MODEL).symlink_to(elsewhere)


def no_dvc_remote(lab: Lab) -> None:
    lab.edit(".dvc/config", "[core]\n analytics = false\n")
    lab.git("commit", "-qam", "no remote")


def unreachable_store(lab: Lab) -> None:
    text = (lab.project / ".dvc/config").read_text()
    lab.edit(".dvc/config", text.replace(str(lab.link), "/nowhere/at/all/store"))
    lab.git("commit", "-qam", "another remote")


def other_tag(lab: Lab) -> None:
    """The same name means one thing here and another on the remote."""
    lab.git("tag", "extractor@v9.0.0", "main")
    lab.git("tag", "-a", "-m", "another", "extractor@v9.0.0", "main", at=lab.origin)


REFUSED: dict[str, tuple[Callable[[Lab], Any], str]] = {
    "changed file": (lambda lab: lab.edit("code.txt", "x"), "not committed: code.txt"),
    "new file": (lambda lab: lab.edit("new.txt", "x"), "not committed: new.txt"),
    "stale graph": (code, "out of date: export"),
    "bit flip in the model": (flipped, "other bytes than its manifest says"),
    "model is a link": (linked, "not a plain file"),
    "a file too many": (lambda lab: lab.edit("artifacts/release/x", "x"), "not in its manifest"),
    "no model": (without(MODEL), "not a plain file"),
    "no manifest": (without(MANIFEST), "no such file"),
    "no audit": (without(AUDIT), "no such file"),
    "no card": (without("reports/model_card.md"), "dvc repro card"),
    "FAIL": (verdict(0.9, "FAIL"), "says FAIL, not PASS"),
    "INCONCLUSIVE": (verdict(0.59, "INCONCLUSIVE"), "says INCONCLUSIVE, not PASS"),
    "FAIL written over": (verdict(0.9, "PASS"), "its own counts say FAIL"),
    "INCONCLUSIVE written over": (verdict(0.59, "PASS"), "its own counts say INCONCLUSIVE"),
    "bounds written over": (
        rewritten(AUDIT, lambda d: d["attributes"]["skin_tone"]["strongest"].update(high=0.5)),
        "do not follow from their counts",
    ),
    "limit written over": (
        rewritten(AUDIT, lambda d: d["attributes"]["skin_tone"].update(limit=0.7)),
        "do not follow from their counts",
    ),
    "plan written over": (
        rewritten(AUDIT, lambda d: d["plan"].update(seeds=[0])), "the plan was changed",
    ),
    "a private attribute left out": (
        rewritten(AUDIT, lambda d: d["attributes"].clear()), "its own counts say INCONCLUSIVE",
    ),
    "not an audit": (rewritten(AUDIT, lambda d: d.pop("plan")), "cannot be judged again"),
    "stale audit": (other_model, "is about model"),
    "other data": (
        rewritten(MANIFEST, lambda d: d["training_data"].update(digest="a1" * 32)),
        "about other data",
    ),
    "other policy": (policy, "audit.policy is not what params.yaml has now"),
    "fewer attacks": (attacks, "audit.attacks is not what params.yaml has now"),
    "parity": (
        rewritten(MANIFEST, lambda d: d["parity"].update(max_abs=0.5)), "differs from torch by 0.5",
    ),
    "parity of nothing": (
        rewritten(MANIFEST, lambda d: d["parity"].update(records=0)), "on 0 records",
    ),
    "manifest lists a path": (
        rewritten(MANIFEST, lambda d: d["files"].update({"../x": d["files"]["extractor.onnx"]})),
        "has no plain name",
    ),
    "no DVC remote": (no_dvc_remote, "no remote specified"),
    "unreachable DVC remote": (unreachable_store, "the folder that it is in is not there"),
    "no Git remote": (lambda lab: lab.git("remote", "remove", "origin"), "no remote named origin"),
    "unreachable Git remote": (
        lambda lab: lab.git("remote", "set-url", "origin", "../gone.git"), "Git remote origin",
    ),
    "another tag of that name": (other_tag, "no tag of it may differ from yours"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_is_a_reason(lab: Lab, name: str) -> None:
    fault, words = REFUSED[name]
    fault(lab)
    found = reasons(lab)
    assert any(words in reason for reason in found), found


def test_a_project_that_is_no_repository_is_told_so(lab: Lab) -> None:
    (lab.project / ".git").rename(lab.folder / "git")
    with pytest.raises(RefusedError, match="a release is made in a Git repository"):
        check(lab.project, MINOR)


def test_every_reason_is_given_at_once(lab: Lab, tmp_path: Path) -> None:
    verdict(0.9, "FAIL")(lab)
    lab.edit("code.txt", "x")
    lab.git("remote", "remove", "origin")
    (lab.project / "reports/model_card.md").unlink()
    found = reasons(lab, ReleaseRequest(bump="minor", push=True, key=tmp_path / "none.pem"))
    for words in ("not committed", "out of date", "says FAIL", "origin", "model_card", "--sign"):
        assert any(words in reason for reason in found), words
    assert len(found) >= 6


def test_an_older_suite_is_a_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_gate, "SUITE_VERSION", "9.0.0")
    assert any(f"of suite {SUITE_VERSION}; today's is 9.0.0" in reason for reason in reasons(lab))


def test_nobody_releases_without_a_name(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "")
        monkeypatch.setenv(f"GIT_{who}_NAME", "")
    assert any("git config user.name" in reason for reason in reasons(lab))


def test_a_key_that_others_may_read_is_a_reason(lab: Lab) -> None:
    lab.key.chmod(0o644)
    asked = ReleaseRequest(bump="minor", key=lab.key)
    assert any("others may read it" in reason for reason in reasons(lab, asked))


def test_the_remote_is_read_back(lab: Lab) -> None:
    """DVC pushes nothing that is there already, whatever bytes it has."""
    lab.dvc("push", "-q")
    stored = lab.stored(MODEL)
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    with pytest.raises(ReleaseError, match="other bytes than were pushed"):
        release(lab)
    assert lab.tags() == lab.tags(lab.project) == {}
    stored.unlink()
    lab.listing().unlink()
    assert release(lab) == ["extractor@v0.1.0"]


def test_only_the_release_and_its_findings_are_pushed(lab: Lab) -> None:
    """Shards and checkpoints are records of people, and have seen them."""
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
def test_versions_rise(released_lab: Lab, tmp_path: Path, bump: Any, version: str) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    write_release(lab.project, 5.0)
    lab.commit()
    assert release(lab, bump=bump) == [f"extractor@{version}"]


def test_gto_sees_what_we_see(released_lab: Lab) -> None:
    found = dvc_store.read(Git(released_lab.origin), "extractor")
    shown = gto.api.show(str(released_lab.project), "extractor")
    assert [entry["version"] for entry in shown] == list(reversed(found.versions))
    assert {s["stage"]: entry["version"] for entry in shown for s in entry["stages"]} == {
        stage: found.in_stage(stage).name for stage in found.stages
    }  # fmt: skip


def test_the_same_command_again_changes_nothing(released_lab: Lab, tmp_path: Path) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    before = lab.tags()
    assert release(lab, stage="staging", key=lab.key) == []
    assert lab.tags() == before == lab.tags(lab.project)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (ReleaseRequest(bump="major"), "registered already, as extractor@v0.2.0"),
        (ReleaseRequest(bump="patch"), "registered already, as extractor@v0.2.0"),
    ],
)
def test_a_commit_is_one_version(
    released_lab: Lab, tmp_path: Path, asked: ReleaseRequest, words: str
) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    assert any(words in reason for reason in reasons(lab, asked))


def test_what_was_registered_unsigned_is_not_signed_later(lab: Lab) -> None:
    release(lab)
    assert any("unsigned" in r for r in reasons(lab, ReleaseRequest(bump="minor", key=lab.key)))


def test_a_tag_made_by_hand_is_no_release(lab: Lab) -> None:
    lab.git("tag", "extractor@v0.1.0")
    with pytest.raises(ReleaseError, match="without a statement"):
        check(lab.project, ReleaseRequest(bump="minor"))


# --- two at once, and killed ---------------------------------------------------------------------


def test_of_two_releases_at_once_one_is_refused(lab: Lab) -> None:
    """Both were checked before either was made."""
    ready = check(lab.project, MINOR)
    other = lab.folder / "other"
    lab.git("clone", "-q", str(lab.origin), str(other), at=lab.folder)
    git = Git(other)
    commit = git("commit-tree", "main^{tree}", "-m", "another", "-p", "main").strip()
    tag = git.make_tag("extractor@v0.1.0", commit, "theirs")
    git.push_tags("origin", {"extractor@v0.1.0": tag})
    with pytest.raises(ReleaseError, match="git push"):
        publish.make(lab.project, MINOR, ready)
    assert lab.tags() == {"extractor@v0.1.0": tag}
    assert lab.tags(lab.project) == {}


def test_of_two_releases_in_one_clone_one_is_refused(lab: Lab) -> None:
    asked = ReleaseRequest(bump="minor", stage="prod")
    ready = check(lab.project, asked)
    assert publish.make(lab.project, asked, ready)
    before = lab.tags(lab.project)
    with pytest.raises(ReleaseError, match="git update-ref"):
        publish.make(lab.project, asked, ready)
    assert lab.tags(lab.project) == before


def test_of_several_tags_all_or_none_arrive(lab: Lab) -> None:
    """The stage's name is taken on the remote: the version does not arrive either."""
    asked = ReleaseRequest(bump="minor", stage="prod", push=True)
    ready = check(lab.project, asked)
    lab.git("tag", "extractor#prod#1", "main", at=lab.origin)
    with pytest.raises(ReleaseError, match="git push"):
        publish.make(lab.project, asked, ready)
    assert set(lab.tags()) == {"extractor#prod#1"}
    assert lab.tags(lab.project) == {}


def test_a_tree_that_changes_meanwhile_stops_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = check(lab.project, MINOR)
    monkeypatch.setattr(publish, "read_back", lambda *a: lab.edit("code.txt", "meanwhile"))
    with pytest.raises(ReleaseError, match="changed meanwhile"):
        publish.make(lab.project, MINOR, ready)
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
import json, os, pkgutil, signal, sys
from pathlib import Path
from pipelines.release import publish
from pipelines.release.checks import PlannedArtifact, ReleasePlan, ReleaseRequest
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git
root, step, moment, statement = sys.argv[1:]
owner, _, name = step.rpartition(".")
place = pkgutil.resolve_name(owner)
real = getattr(place, name)
def killed(*arguments):
    if moment == "after":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, killed)
part = PlannedArtifact(
    found=dvc_store.read(Git(Path(root)), "extractor"), registered=False,
    statement=json.loads(statement),
)
ready = ReleasePlan(version="v0.1.0", parts=(part,))
publish.make(Path(root), ReleaseRequest(bump="minor", stage="prod", push=True), ready)
"""


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_there_is_no_half_and_the_same_command_ends_it(
    lab: Lab, tmp_path: Path, step: str
) -> None:
    asked = ReleaseRequest(bump="minor", stage="prod", push=True)
    statement = json.dumps(check(lab.project, asked).parts[0].statement)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(lab.project), *STEPS[step], statement],
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


def test_what_was_released_here_is_pushed_later(lab: Lab) -> None:
    release(lab, push=False, stage="prod")
    assert lab.tags() == {}
    assert release(lab, push=True, stage="prod") == []
    assert lab.tags() == lab.tags(lab.project) != {}


# --- what becomes of a version -------------------------------------------------------------------


@pytest.fixture
def two(released_lab: Lab, tmp_path: Path) -> Lab:
    return released_lab.copy(tmp_path / "lab")


def in_stage(lab: Lab, stage: str) -> str:
    return dvc_store.read(Git(lab.origin), "extractor").in_stage(stage).name


def test_promote_and_back(two: Lab) -> None:
    assert lifecycle.promote(two.project, "v0.2.0", "prod", two.key, True) == ["extractor#prod#3"]
    assert in_stage(two, "prod") == "v0.2.0"
    assert lifecycle.promote(two.project, "v0.2.0", "prod", two.key, True) == []
    assert lifecycle.promote(two.project, "v0.1.0", "prod", two.key, True) == ["extractor#prod#4"]
    assert in_stage(two, "prod") == "v0.1.0"


def test_what_is_deprecated_or_fails_later_is_not_promoted(two: Lab, tmp_path: Path) -> None:
    lifecycle.deprecate(two.project, "v0.1.0", "old", push=True)
    with pytest.raises(ReleaseError, match="was deprecated: old"):
        lifecycle.promote(two.project, "v0.1.0", "prod", None, True)
    with pytest.raises(ReleaseError, match="deprecated before"):
        lifecycle.deprecate(two.project, "v0.1.0", "old", push=True)
    later(two, tmp_path / "later.json", rate=0.8)
    with pytest.raises(ReleaseError, match="says FAIL"):
        lifecycle.promote(two.project, "v0.2.0", "prod", None, True)


def later(lab: Lab, file: Path, **changes: Any) -> None:
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    model = sha256(lab.project / MODEL)
    file.write_text(audit_report(config, model, suite="2.0.0", **changes).to_json())
    lifecycle.reaudit(lab.project, "v0.2.0", file, push=True)


def test_an_audit_of_another_model_is_not_recorded(two: Lab, tmp_path: Path) -> None:
    report = audit_report(AuditConfig(), "e" * 64)
    (tmp_path / "other.json").write_text(report.to_json())
    with pytest.raises(ReleaseError, match="about model eeeeeeeeeeee"):
        lifecycle.reaudit(two.project, "v0.2.0", tmp_path / "other.json", push=True)


# --- what a person types -------------------------------------------------------------------------


def typed(lab: Lab, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of `python -m pipelines.release WORDS`."""
    monkeypatch.chdir(lab.project)
    monkeypatch.setattr(sys, "argv", ["release", *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_a_session_of_a_releaser(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        code = typed(lab, monkeypatch, *words)
        out, err = capsys.readouterr()
        return code, out, err

    assert run()[0] == 2
    assert run("--bump", "huge")[0] == 2
    code, out, _ = run("--bump", "minor", "--dry-run")
    assert (code, lab.tags(lab.project)) == (0, {})
    assert "Nothing speaks against extractor@v0.1.0" in out
    code, out, err = run("--bump", "minor", "--stage", "prod", "--sign", str(lab.key), "--push")
    assert (code, err) == (0, "")
    assert f"extractor@v0.1.0 is registered: PASS by suite {SUITE_VERSION}." in out
    assert "tiprdc pull REPO extractor --stage prod --trust KEYS -o DIR" in out
    code, out, _ = run("show")
    row = next(line for line in out.splitlines() if line.startswith("v0.1.0"))
    assert row.split() == [
        "v0.1.0", "prod", "PASS", SUITE_VERSION, "54.3", "%", "60.0", "%", "1.0", "points",
    ]  # fmt: skip
    assert json.loads(run("show", "--json")[1])["versions"][0]["verdict"] == "PASS"
    assert "sha256" in run("show", "v0.1.0")[1]
    code, out, err = run("show", "v7.0.0")
    assert (code, out) == (1, "")
    assert "not registered" in err
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    found = audit_report(config, sha256(lab.project / MODEL), rate=0.8, suite="2.0.0")
    (tmp_path / "later.json").write_text(found.to_json())
    assert run("reaudit", "v0.1.0", str(tmp_path / "later.json"), "--push")[0] == 0
    assert "it does not pass any more" in run("history")[1]
    assert "FAIL (was PASS)" in run("show")[1]
    assert run("promote", "v0.1.0", "--stage", "prod")[0] == 1
    assert run("deprecate", "v0.1.0", "--reason", "it leaks")[0] == 0
    assert "deprecated: it leaks" in run("history")[1]
    lab.edit("code.txt", "x")
    code, out, err = run("--bump", "patch")
    assert (code, out) == (1, "")
    assert "- Git: not committed: code.txt" in err


def test_help_names_every_command() -> None:
    said = CliRunner().invoke(command._app, ["--help"]).output
    for name in ("promote", "deprecate", "reaudit", "history", "show", "--bump", "--dry-run"):
        assert name in said


def test_looking_at_a_registry_needs_no_torch() -> None:
    script = (
        "import sys, pipelines.release.__main__\nprint(*{'torch', 'ray', 'dvc'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert found.stdout.split() == []


def test_what_is_said_of_a_release_names_no_class_and_no_person(lab: Lab) -> None:
    said = check(lab.project, MINOR).parts[0].statement
    assert said["revision"] == lab.git("rev-parse", "HEAD").strip()
    assert said["audit"]["verdict"] == "PASS"
    assert "light" not in json.dumps(said)
