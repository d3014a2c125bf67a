"""`tiprdc keygen`, `pull`, `verify` and `lineage` in a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.release import lifecycle
from tests.helpers.release_project import Lab
from tests.tiprdc.cli.test_main import run
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.formats.files import sha256
from tiprdc.registry.git import Git


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(sys, "argv", sys.argv)
    return released_lab.copy(tmp_path / "lab")


def test_a_session_of_a_puller(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, trust = tmp_path / "extractor", str(lab.trust)
    words = ("pull", str(lab.origin), "extractor", "--stage", "prod", "-o", str(target))
    code, out, err = run(capsys, *words, "--trust", trust)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == (
        f"extractor@v0.1.0 in {target}: 4 files as stated; audit PASS by suite {SUITE_VERSION}"
    )
    assert out.splitlines()[1].startswith("Vouched for by the releaser (key ")
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "is there already" in err
    code, out, _ = run(capsys, "verify", str(target), "--trust", trust, "--json")
    said = json.loads(out)
    assert (code, said["vouched_by"], said["version"]) == (0, "the releaser", "v0.1.0")
    code, out, _ = run(capsys, "verify", str(target))
    assert code == 0
    assert out.splitlines()[1].startswith("Nobody vouched for it")
    (target / "extractor.onnx").write_bytes(b"x")
    code, out, err = run(capsys, "verify", str(target))
    assert (code, out) == (2, "")
    assert "1 bytes" in err
    assert "Traceback" not in err


def test_lineage_leads_from_a_release_to_its_code(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0", "--json")
    found = json.loads(out)
    assert (code, found["broken"]) == (0, [])
    assert found["revision"] == lab.git("rev-parse", "main").strip()
    assert found["params_sha256"] == sha256(lab.project / "params.yaml")
    assert found["audit"]["sha256"] == sha256(lab.project / "reports/audit.json")
    assert found["training_data"]["dataset"] == "avatars"
    assert found["stages"]["audit"]["deps"]["artifacts/release"].endswith(".dir")
    code, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert code == 0
    assert found["revision"] in out
    assert "nobody was asked" in out


def test_lineage_says_which_link_is_broken(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.retag("extractor@v0.2.0", lambda e: e["statement"].update(params_sha256="e" * 64))
    code, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert code == 1
    assert "Broken: params.yaml at the commit is not the one of the statement" in out
    name = ("lineage", str(lab.origin), "extractor@v0.2.0", "--trust", str(lab.trust))
    code, _, err = run(capsys, *name)
    assert code == 2
    assert "does not fit" in err


def test_lineage_shows_later_audits(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = json.loads((lab.project / "reports/audit.json").read_text())
    (tmp_path / "later.json").write_text(json.dumps({**audit, "suite_version": "9.1.0"}))
    lifecycle.reaudit(lab.project, "v0.2.0", tmp_path / "later.json", push=True)
    _, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert "PASS by suite 9.1.0" in out


@pytest.mark.parametrize("name", ["extractor", "extractor@", "extractor@latest", "@v1.0.0"])
def test_lineage_wants_a_version(lab: Lab, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(capsys, "lineage", str(lab.origin), name)[0] == 2


def test_keygen_makes_what_pull_and_release_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "release.pem"
    words = ("keygen", "the team", "-o", str(key), "--expires", "2030-12-31")
    code, out, _ = run(capsys, *words)
    assert code == 0
    trust = json.loads((tmp_path / "release.pem.trust.json").read_text())
    assert trust["keys"][0]["expires"] == "2030-12-31"
    assert key.read_text() not in out
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "is there already" in err


def test_names_of_strangers_cannot_rewrite_a_terminal(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    git = Git(lab.origin)
    commit = git.tags()["extractor@v0.2.0"].commit
    evil = '{"statement": {"statement_version": "\\u001b[31mred"}, "signatures": []}'
    made = git.make_tag("extractor@v0.2.0", commit, f"x\n\n{evil}")
    git("update-ref", "refs/tags/extractor@v0.2.0", made)
    _, _, err = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert "red" in err
    assert "\x1b" not in err


def test_commands_are_light_until_they_run() -> None:
    script = (
        "import sys, tiprdc.cli.main\n"
        "print(*{'torch', 'dvc', 'gto', 'cryptography', 'rfc8785', 'pandas'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert found.stdout.split() == []
