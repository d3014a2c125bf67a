"""`tiprdc keygen`, `pull`, `verify` and `lineage` in a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.release import lifecycle
from tests.helpers.release_project import Lab, release
from tests.tiprdc.cli.test_main import run
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.formats.envelope import encode_json
from tiprdc.formats.files import sha256
from tiprdc.registry.git import Git
from tiprdc.registry.signing import sign


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(sys, "argv", sys.argv)
    return released_lab.copy(tmp_path / "lab")


def test_session_of_a_puller(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, trust = tmp_path / "extractor", str(lab.trust)
    words = ("pull", str(lab.origin), "extractor", "--stage", "prod", "-o", str(target))
    code, out, err = run(capsys, *words, "--trust", trust)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == (
        f"extractor@v0.1.0 in {target}: 4 files match the statement;"
        f" audit PASS by suite {SUITE_VERSION}"
    )
    assert out.splitlines()[1].startswith("Signed by the releaser (key ")
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "already exists" in err
    code, out, _ = run(capsys, "verify", str(target), "--trust", trust, "--json")
    document = json.loads(out)
    assert (code, document["signed_by"], document["version"]) == (0, "the releaser", "v0.1.0")
    code, out, _ = run(capsys, "verify", str(target))
    assert code == 0
    assert out.splitlines()[1].startswith("Signature not checked")
    (target / "extractor.onnx").write_bytes(b"x")
    code, out, err = run(capsys, "verify", str(target))
    assert (code, out) == (2, "")
    assert "1 bytes" in err
    assert "Traceback" not in err


def test_lineage_traces_a_release_to_its_code(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0", "--json")
    origin = json.loads(out)
    assert (code, origin["broken"]) == (0, [])
    assert origin["revision"] == lab.git("rev-parse", "main").strip()
    assert origin["params_sha256"] == sha256(lab.project / "params.yaml")
    assert origin["audit"]["sha256"] == sha256(lab.project / "reports/audit.json")
    assert origin["training_data"]["dataset"] == "avatars"
    assert origin["stages"]["audit"]["deps"]["artifacts/release"].endswith(".dir")
    code, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert code == 0
    assert origin["revision"] in out
    assert "not checked (--trust KEYS)" in out


def test_lineage_leaves_out_graphs_of_other_folders(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab.project / "benchmarks"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(
        "stages:\n  cell:\n    cmd: x\n    outs: [y: {cache: false}]\n"
    )
    lab.git("add", "-A")
    lab.git("commit", "-qm", "a benchmark")
    assert release(lab, bump="minor", push=True) == ["extractor@v0.3.0"]
    _, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.3.0", "--json")
    assert set(json.loads(out)["stages"]) == {"export", "audit", "card"}


def test_lineage_names_the_broken_link(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.retag(
        "extractor@v0.2.0",
        lambda e: e["statement"]["predicate"].update(params_sha256="e" * 64),
    )
    code, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert code == 1
    assert "Broken: params.yaml at the commit is not the one of the statement" in out
    name = ("lineage", str(lab.origin), "extractor@v0.2.0", "--trust", str(lab.trust))
    code, _, err = run(capsys, *name)
    assert code == 2
    assert "does not match" in err


def test_lineage_shows_later_audits(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = json.loads((lab.project / "reports/audit.json").read_text())
    (tmp_path / "later.json").write_text(json.dumps({**audit, "suite_version": "9.1.0"}))
    lifecycle.reaudit(lab.project, "v0.2.0", tmp_path / "later.json", push=True)
    _, out, _ = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert "PASS by suite 9.1.0" in out


@pytest.mark.parametrize("name", ["extractor", "extractor@", "extractor@latest", "@v1.0.0"])
def test_lineage_needs_a_version(lab: Lab, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(capsys, "lineage", str(lab.origin), name)[0] == 2


def test_keygen_makes_key_and_trust_file(
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
    assert "already exists" in err


@pytest.mark.parametrize("day", ["2020-01-01", "31.12.2030", "2030-02-30", "tomorrow", ""])
def test_keygen_refuses_a_last_day_that_is_over_or_no_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], day: str
) -> None:
    words = ("keygen", "the team", "-o", str(tmp_path / "release.pem"), "--expires", day)
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "--expires" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_foreign_text_cannot_rewrite_a_terminal(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    git = Git(lab.origin)
    commit = git.tags()["extractor@v0.2.0"].commit
    envelope = sign(b'{"predicateType": "\\u001b[31mred"}', None)
    message = f"x\n\n{encode_json(envelope).decode()}"
    git("update-ref", "refs/tags/extractor@v0.2.0",
        git.make_tag("extractor@v0.2.0", commit, message))  # fmt: skip
    _, _, err = run(capsys, "lineage", str(lab.origin), "extractor@v0.2.0")
    assert "red" in err
    assert "\x1b" not in err


def test_commands_import_heavy_packages_only_when_run() -> None:
    script = (
        "import sys, tiprdc.cli.main\n"
        "heavy = {'torch', 'dvc', 'gto', 'cryptography', 'securesystemslib', 'pandas'}\n"
        "print(*heavy & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert found.stdout.split() == []
