"""`python -m pipelines.release`: its commands, and promotion, deprecation and re-audit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.params.load import load
from pipelines.release import __main__ as command
from pipelines.release import lifecycle
from tests.helpers.release_project import Lab, audit_report, release
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.errors import ReleaseError
from tiprdc.formats.envelope import parse_envelope
from tiprdc.formats.files import sha256
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VersionSelector, pull
from tiprdc.registry.signing import read_trust, verify_signature
from tiprdc.registry.tables import history_rows
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import envelope_text

MODEL = "artifacts/release/extractor.onnx"


@pytest.fixture
def lab(audited_lab: Lab, tmp_path: Path) -> Lab:
    return audited_lab.copy(tmp_path / "lab")


@pytest.fixture
def two(released_lab: Lab, tmp_path: Path) -> Lab:
    return released_lab.copy(tmp_path / "lab")


def in_stage(lab: Lab, stage: str) -> str:
    return read_registry(Git(lab.origin), "extractor").in_stage(stage).name


def test_promote_and_back(two: Lab) -> None:
    assert lifecycle.promote(two.project, "v0.2.0", "prod", two.key, True) == ["extractor#prod#3"]
    assert in_stage(two, "prod") == "v0.2.0"
    assert lifecycle.promote(two.project, "v0.2.0", "prod", two.key, True) == []
    assert lifecycle.promote(two.project, "v0.1.0", "prod", two.key, True) == ["extractor#prod#4"]
    assert in_stage(two, "prod") == "v0.1.0"


def test_blocked_version_is_not_promoted(two: Lab, tmp_path: Path) -> None:
    lifecycle.deprecate(two.project, "v0.1.0", "old", push=True)
    with pytest.raises(ReleaseError, match="was deprecated: old"):
        lifecycle.promote(two.project, "v0.1.0", "prod", None, True)
    with pytest.raises(ReleaseError, match="is deprecated already"):
        lifecycle.deprecate(two.project, "v0.1.0", "old", push=True)
    later(two, tmp_path / "later.json", rate=0.8)
    with pytest.raises(ReleaseError, match="has the verdict FAIL"):
        lifecycle.promote(two.project, "v0.2.0", "prod", None, True)


def later(lab: Lab, file: Path, **changes: Any) -> None:
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    model = sha256(lab.project / MODEL)
    file.write_text(audit_report(config, model, suite="2.0.0", **changes).to_json())
    lifecycle.reaudit(lab.project, "v0.2.0", file, push=True)


def test_audit_of_another_model_is_not_recorded(two: Lab, tmp_path: Path) -> None:
    report = audit_report(AuditConfig(), "e" * 64)
    (tmp_path / "other.json").write_text(report.to_json())
    with pytest.raises(ReleaseError, match="about model eeeeeeeeeeee"):
        lifecycle.reaudit(two.project, "v0.2.0", tmp_path / "other.json", push=True)


def test_later_audit_is_signed_on_request(two: Lab, tmp_path: Path) -> None:
    report = audit_report(
        load("audit", AuditConfig, two.project / "params.yaml"), sha256(two.project / MODEL)
    )
    (tmp_path / "later.json").write_text(report.to_json())
    (tag,) = lifecycle.reaudit(two.project, "v0.2.0", tmp_path / "later.json", True, two.key)
    git = Git(two.origin)
    envelope = parse_envelope(envelope_text(git.message(git.tags()[tag]), tag), tag)
    assert verify_signature(envelope, read_trust(two.trust), tag).name == "the releaser"
    (later,) = read_registry(git, "extractor").version("v0.2.0").reaudits
    assert (later.verdict, later.sha256) == ("PASS", sha256(tmp_path / "later.json"))


def test_version_in_the_old_format_is_listed_and_released_again(two: Lab, tmp_path: Path) -> None:
    """The hint of its refusal works."""
    git = Git(two.project)
    commit = git.tags()["extractor@v0.2.0"].commit
    old = git.make_tag("extractor@v0.2.0", commit, 'x\n\n{"statement": {}, "signatures": []}')
    for folder in (two.project, two.origin):
        two.git("push", "-q", "-f", str(folder), f"{old}:refs/tags/extractor@v0.2.0")
    with pytest.raises(ReleaseError, match="commit --allow-empty"):
        pull(str(two.origin), VersionSelector(), tmp_path / "old", None)
    two.git("commit", "-q", "--allow-empty", "-m", "Release again")
    assert release(two, bump="patch", key=two.key) == ["extractor@v0.2.1"]
    pull(str(two.origin), VersionSelector(), tmp_path / "new", read_trust(two.trust))
    rows = history_rows(read_registry(git, "extractor"))[1]
    assert [row[5] for row in rows] == ["PASS", "none", "PASS"]


def typed(lab: Lab, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of `python -m pipelines.release WORDS`."""
    monkeypatch.chdir(lab.project)
    monkeypatch.setattr(sys, "argv", ["release", *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_session_of_a_releaser(
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
    assert "All checks passed for extractor@v0.1.0" in out
    code, out, err = run("--bump", "minor", "--stage", "prod", "--sign", str(lab.key), "--push")
    assert (code, err) == (0, "")
    assert f"extractor@v0.1.0 is registered: PASS by suite {SUITE_VERSION}." in out
    assert "tiprdc pull REPO extractor --stage prod --trust KEYS -o DIR" in out
    again = run("--bump", "minor", "--stage", "prod", "--sign", str(lab.key), "--push")
    assert again[0] == 0
    assert "extractor@v0.1.0 is registered at this commit already: no version rises." in again[1]
    code, out, _ = run("show")
    row = next(line for line in out.splitlines() if line.startswith("v0.1.0"))
    assert row.split() == [
        "v0.1.0", "prod", "PASS", SUITE_VERSION, "54.3", "%", "56.9", "%", "-", "60.0", "%",
        "not", "measured",
    ]  # fmt: skip
    assert json.loads(run("show", "--json")[1])["versions"][0]["verdict"] == "PASS"
    assert "sha256" in run("show", "v0.1.0")[1]
    code, out, err = run("show", "v7.0.0")
    assert (code, out) == (1, "")
    assert "not registered" in err
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    report = audit_report(config, sha256(lab.project / MODEL), rate=0.8, suite="2.0.0")
    (tmp_path / "later.json").write_text(report.to_json())
    assert run("reaudit", "v0.1.0", str(tmp_path / "later.json"), "--push")[0] == 0
    assert "it no longer passes" in run("history")[1]
    assert "FAIL (was PASS)" in run("show")[1]
    assert run("promote", "v0.1.0", "--stage", "prod")[0] == 1
    code, out, _ = run("deprecate", "v0.1.0", "--reason", "it leaks", "--push")
    assert code == 0
    assert out.splitlines() == [
        "Tag extractor@v0.1.0! here and on origin",
        "extractor@v0.1.0 is deprecated: pulls are refused with the reason.",
    ]
    assert "deprecated: it leaks" in run("history")[1]
    lab.edit("code.txt", "x")
    code, out, err = run("--bump", "patch")
    assert (code, out) == (1, "")
    assert "- Git: not committed: code.txt" in err


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(command._app, ["--help"]).output
    for name in ("promote", "deprecate", "reaudit", "history", "show", "--bump", "--dry-run"):
        assert name in text


def test_reading_a_registry_needs_no_torch() -> None:
    script = (
        "import sys, pipelines.release.__main__\nprint(*{'torch', 'ray', 'dvc'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert found.stdout.split() == []


def test_change_that_is_not_pushed_names_the_step_that_pushes_it(
    two: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(two, monkeypatch, "promote", "v0.2.0", "--stage", "prod") == 0
    tag, push, state = capsys.readouterr().out.splitlines()
    assert tag == "Tag extractor#prod#3 here"
    assert state == "extractor v0.2.0 is in prod."
    assert typed(two, monkeypatch, "promote", "v0.2.0", "--stage", "prod") == 0
    assert "Nothing to do" in capsys.readouterr().out
    words = push.partition("git ")[2].replace("'", "").split()
    two.git(*words)
    assert in_stage(two, "prod") == "v0.2.0"
    assert typed(two, monkeypatch, "deprecate", "v0.1.0", "--reason", "old") == 0
    push = capsys.readouterr().out.splitlines()[1]
    assert push.endswith("git push origin 'extractor@v0.1.0!'")
