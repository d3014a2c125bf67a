"""Release checks: every fault is a reason, and a refused release changes nothing."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.release.checks import RefusedError
from pipelines.release.plan import ReleaseRequest, plan_release
from tests.helpers.release_project import Lab, release, write_release
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit import release_gate
from tiprdc.errors import DataError, ReleaseError
from tiprdc.formats.envelope import encode_json
from tiprdc.formats.release_statement import release_statement
from tiprdc.runtime.extractor import Extractor

AUDIT, MANIFEST = "reports/audit.json", "artifacts/release/manifest.json"
MODEL = "artifacts/release/extractor.onnx"
MINOR = ReleaseRequest(bump="minor", push=True)


@pytest.fixture
def lab(audited_lab: Lab, tmp_path: Path) -> Lab:
    return audited_lab.copy(tmp_path / "lab")


def reasons(lab: Lab, request: ReleaseRequest = MINOR) -> list[str]:
    """Why it is refused; nothing may have changed."""
    before = lab.tags(), lab.tags(lab.project), sorted(lab.store.rglob("*"))
    with pytest.raises(RefusedError) as refused:
        plan_release(lab.project, request)
    assert (lab.tags(), lab.tags(lab.project), sorted(lab.store.rglob("*"))) == before
    return refused.value.reasons


def rewritten(file: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Lab], None]:
    """Edit a result and commit it to DVC and Git as if the graph had written it."""

    def fault(lab: Lab) -> None:
        document = json.loads((lab.project / file).read_text())
        change(document)
        lab.edit(file, json.dumps(document))
        lab.commit()

    return fault


def verdict(rate: float, stated: str) -> Callable[[Lab], None]:
    """An audit with this success rate of the attacks, and another verdict written over its own."""

    def fault(lab: Lab) -> None:
        write_release(lab.project, 1.0, rate=rate)

        def edit(document: dict[str, Any]) -> None:
            document.update(verdict=stated, reasons=[])
            document["attributes"]["skin_tone"].update(verdict=stated)

        rewritten(AUDIT, edit)(lab)

    return fault


def other_model(lab: Lab) -> None:
    """Extractor and manifest are new; the audit is old."""
    old = (lab.project / AUDIT).read_text()
    write_release(lab.project, 3.0)
    lab.edit(AUDIT, old)
    lab.commit()


def settings(lab: Lab) -> None:
    """Another policy and fewer attacks than the audit had."""
    text = (lab.project / "params.yaml").read_text()
    text = text.replace("margin: 0.1\n", "margin: 0.05\n")
    text = text.replace("  - kernel\n  - mlp\n  - decoding\n", "  - mlp\n", 1)
    lab.edit("params.yaml", text)
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
    """A tag that differs here and on the remote."""
    lab.git("tag", "extractor@v9.0.0", "main")
    lab.git("tag", "-a", "-m", "another", "extractor@v9.0.0", "main", at=lab.origin)


def all_of(*faults: Callable[[Lab], Any]) -> Callable[[Lab], None]:
    """Several faults in one lab: each must be among the reasons."""

    def fault(lab: Lab) -> None:
        for each in faults:
            each(lab)

    return fault


REFUSED: dict[str, tuple[Callable[[Lab], Any], tuple[str, ...]]] = {
    "changed, new and unknown files, no card": (
        all_of(
            lambda lab: lab.edit("code.txt", "x"),
            lambda lab: lab.edit("new.txt", "x"),
            lambda lab: lab.edit("artifacts/release/x", "x"),
            without("reports/model_card.md"),
        ),
        ("not committed: code.txt, new.txt", "release/x: not in its manifest", "dvc repro card"),
    ),
    "stale graph": (code, ("out of date: export",)),
    "bit flip in the model, no Git remote": (
        all_of(flipped, lambda lab: lab.git("remote", "remove", "origin")),
        ("differs from its manifest", "no remote named origin"),
    ),
    "model is a link, no DVC remote": (
        all_of(linked, no_dvc_remote), ("not a plain file", "no remote specified"),
    ),
    "no model, unreachable Git remote": (
        all_of(
            without(MODEL), lambda lab: lab.git("remote", "set-url", "origin", "../gone.git")
        ),
        ("not a plain file", "Git remote origin"),
    ),
    "no manifest, unreachable DVC remote": (
        all_of(without(MANIFEST), unreachable_store),
        ("manifest.json: no such file", "its parent folder does not exist"),
    ),
    "no audit, another tag of a name": (
        all_of(without(AUDIT), other_tag),
        ("audit.json: no such file", "none of its tags may differ from yours"),
    ),
    "FAIL": (verdict(0.9, "FAIL"), ("says FAIL, not PASS",)),
    "INCONCLUSIVE": (verdict(0.59, "INCONCLUSIVE"), ("says INCONCLUSIVE, not PASS",)),
    "FAIL written over": (verdict(0.9, "PASS"), ("its own counts say FAIL",)),
    "INCONCLUSIVE written over": (verdict(0.59, "PASS"), ("its own counts say INCONCLUSIVE",)),
    "bounds written over": (
        rewritten(AUDIT, lambda d: d["attributes"]["skin_tone"]["strongest"].update(high=0.5)),
        ("do not follow from their counts",),
    ),
    "limit written over": (
        rewritten(AUDIT, lambda d: d["attributes"]["skin_tone"].update(limit=0.7)),
        ("do not follow from their counts",),
    ),
    "plan written over": (
        rewritten(AUDIT, lambda d: d["plan"].update(seeds=[1])), ("the plan was changed",),
    ),
    "a private attribute left out": (
        rewritten(AUDIT, lambda d: d["attributes"].clear()), ("its own counts say INCONCLUSIVE",),
    ),
    "not an audit": (rewritten(AUDIT, lambda d: d.pop("plan")), ("cannot be judged again",)),
    "stale audit": (other_model, ("is about model",)),
    "other data, parity": (
        all_of(
            rewritten(MANIFEST, lambda d: d["training_data"].update(digest="a1" * 32)),
            rewritten(MANIFEST, lambda d: d["parity"].update(max_abs=0.5)),
        ),
        ("about other data", "differs from torch by 0.5"),
    ),
    "parity of nothing": (
        rewritten(MANIFEST, lambda d: d["parity"].update(records=0)), ("on 0 records",),
    ),
    "other policy, fewer attacks": (
        settings,
        (
            "audit.policy is not what params.yaml has now",
            "audit.attacks is not what params.yaml has now",
        ),
    ),
    "manifest lists a path": (
        rewritten(MANIFEST, lambda d: d["files"].update({"../x": d["files"]["extractor.onnx"]})),
        ("has no plain name",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_fault_is_a_reason(lab: Lab, name: str) -> None:
    fault, expected = REFUSED[name]
    fault(lab)
    listed = reasons(lab)
    for words in expected:
        assert any(words in reason for reason in listed), (words, listed)


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_links_into_the_cache_are_named_with_a_mend_that_works(lab: Lab, kind: str) -> None:
    lab.dvc("config", "--local", "cache.type", kind)
    lab.dvc("checkout", "--relink")
    folder = lab.project / "artifacts/release"
    if kind == "symlink":
        with pytest.raises(DataError) as raised:
            Extractor.load(folder)
        assert raised.value.hint.endswith(f"run `dvc unprotect {folder}`")
        (reason,) = reasons(lab)
        _, command, _ = reason.split("`")
        assert "a link, not a plain file" in reason
        lab.dvc(*command.split()[1:])
    assert Extractor.load(folder)
    assert release(lab) == ["extractor@v0.1.0"]


def test_folder_without_git_is_refused(lab: Lab) -> None:
    (lab.project / ".git").rename(lab.folder / "git")
    with pytest.raises(RefusedError, match="run this in a Git repository"):
        plan_release(lab.project, MINOR)


@pytest.mark.parametrize("name", ["release.pem", "keys/of us/signing"])
def test_private_key_in_git_is_a_reason_and_its_hint_works(lab: Lab, name: str) -> None:
    path = lab.project / name
    path.parent.mkdir(exist_ok=True, parents=True)
    shutil.copyfile(lab.key, path)
    lab.git("add", "-f", name)
    lab.git("commit", "-qm", "a key")
    (reason,) = reasons(lab)
    assert f"{name} is a private key" in reason
    lab.git(*shlex.split(reason.split("`")[1])[1:])
    lab.git("commit", "-qm", "no key")
    assert plan_release(lab.project, MINOR)


def test_every_reason_is_listed_at_once(lab: Lab, tmp_path: Path) -> None:
    verdict(0.9, "FAIL")(lab)
    lab.edit("code.txt", "x")
    lab.git("remote", "remove", "origin")
    (lab.project / "reports/model_card.md").unlink()
    listed = reasons(lab, ReleaseRequest(bump="minor", push=True, key=tmp_path / "none.pem"))
    for words in ("not committed", "out of date", "says FAIL", "origin", "model_card", "--sign"):
        assert any(words in reason for reason in listed), words
    assert len(listed) >= 6


def test_older_suite_is_a_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_gate, "SUITE_VERSION", "9.0.0")
    assert any(f"of suite {SUITE_VERSION}; today's is 9.0.0" in reason for reason in reasons(lab))


def test_missing_git_user_is_a_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "")
        monkeypatch.setenv(f"GIT_{role}_NAME", "")
    assert any("git config user.name" in reason for reason in reasons(lab))


def test_key_that_others_may_read_is_a_reason(lab: Lab) -> None:
    lab.key.chmod(0o644)
    request = ReleaseRequest(bump="minor", key=lab.key)
    assert any("others may read it" in reason for reason in reasons(lab, request))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ReleaseRequest(bump="major"), "registered already, as extractor@v0.2.0"),
        (ReleaseRequest(bump="patch"), "registered already, as extractor@v0.2.0"),
    ],
)
def test_commit_has_one_version(
    released_lab: Lab, tmp_path: Path, request_: ReleaseRequest, words: str
) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    assert any(words in reason for reason in reasons(lab, request_))


def test_unsigned_version_is_not_signed_later(lab: Lab) -> None:
    release(lab)
    assert any("unsigned" in r for r in reasons(lab, ReleaseRequest(bump="minor", key=lab.key)))


def test_tag_made_by_hand_is_no_release(lab: Lab) -> None:
    lab.git("tag", "extractor@v0.1.0")
    with pytest.raises(ReleaseError, match="without a statement"):
        plan_release(lab.project, ReleaseRequest(bump="minor"))


def test_statement_names_no_class_and_no_person(lab: Lab) -> None:
    release_ = plan_release(lab.project, MINOR).parts[0].release
    assert release_.revision == lab.git("rev-parse", "HEAD").strip()
    assert release_.audit.verdict == "PASS"
    assert b"light" not in encode_json(release_statement(release_))
