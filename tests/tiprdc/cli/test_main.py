"""`tiprdc` in a shell: output, standard error and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.audit_project import write_project
from tests.helpers.audit_samples import AUDITS, image_audit, table_audit
from tiprdc import __version__
from tiprdc.cli.main import app
from tiprdc.formats.numbers import MINUS
from tiprdc.reports.page import write_report
from tiprdc.reports.wording import DASH


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `tiprdc WORDS`."""
    sys.argv = ["tiprdc", *words]
    with pytest.raises(SystemExit) as ended:
        app()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture(autouse=True)
def _argv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"tiprdc {__version__}\n", "")


def test_inspect_prints_the_table_of_an_audit_and_the_path_of_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path, image_audit())
    path = str(tmp_path / "reports/audit.json")
    _, before, _ = run(capsys, "inspect", path)
    assert "index.html" not in before
    page = write_report(tmp_path / "reports", tmp_path / "artifacts/release")
    code, out, err = run(capsys, "inspect", path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert (
        lines[0] == "PASS  Attacks on skin tone stay within the limit, projected to 40,000 people"
    )
    row = next(line for line in lines if line.startswith("skin_tone"))
    assert " ".join(row.split()) == (
        f"skin_tone PASS 54.3 (52.5{DASH}56.1) cnn 4,000 56.3 (53.3{DASH}59.3) at 40,000"
        " 60.0 50.0 98.7"
    )
    row = next(line for line in lines if line.startswith("hair_length"))
    assert f"89.9 90.2 (89.0{DASH}91.4) 94.7 (93.9{DASH}95.5)" in " ".join(row.split())
    assert row.rstrip().endswith(f"{MINUS}0.3")
    assert lines[-1] == f"Report: {page}"
    assert "\x1b" not in out


@pytest.mark.parametrize("name", AUDITS)
def test_inspect_prints_every_audit(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path, AUDITS[name]())
    code, out, _ = run(capsys, "inspect", str(tmp_path / "reports"))
    assert code == 0
    assert out.startswith(AUDITS[name]()["verdict"])
    assert "\x1b" not in out


def test_inspect_json_of_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = table_audit()
    write_project(tmp_path, audit)
    code, out, _ = run(capsys, "inspect", "--json", str(tmp_path / "reports"))
    document = json.loads(out)
    assert (code, document["verdict"], document["page"]) == (0, "FAIL", None)
    strongest = document["attributes"]["sex"]["strongest"]
    assert strongest.items() <= audit["attributes"]["sex"]["strongest"].items()
    assert document["utility"]["income"]["loss"] == audit["utility"]["income"]["loss"]


def test_inspect_prints_the_contract_of_a_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path, table_audit())
    release = tmp_path / "artifacts/release"
    code, out, _ = run(capsys, "inspect", str(release))
    assert code == 0
    assert "x: float32 [batch, 2]" in out
    assert "0 Private, 1 State-gov, 2 any other" in out
    assert "features as they are" in out
    assert "No upper bound on what features reveal" in out
    _, out, _ = run(capsys, "inspect", "--json", str(release / "manifest.json"))
    assert json.loads(out) == json.loads((release / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file or folder"),
        ("{", "cannot be read as JSON"),
        ("{}", "neither an audit nor a manifest"),
        ('{"manifest_version": 99}', "manifest_version 99"),
        ('{"manifest_version": 2}', "no key 'name'"),
        ('{"suite_version": "1", "schema_version": 7}', "schema_version 7"),
    ],
)
def test_inspect_of_a_wrong_file_gives_a_message_and_exit_code_2(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.json"
    if text is not None:
        path.write_text(text)
    code, out, err = run(capsys, "inspect", str(path))
    assert (code, out) == (2, "")
    assert err.startswith(f"{path}: ")
    assert message in err
    assert "expected:" in err


def test_inspect_of_another_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "inspect", str(tmp_path))
    assert code == 2
    assert "neither a manifest.json nor an audit.json" in err


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "inspekt")
    assert (code, out) == (2, "")
    assert "inspekt" in err


def test_start_imports_no_heavy_library() -> None:
    heavy = ("torch", "pandas", "matplotlib", "onnx", "onnxruntime", "numpy", "ray", "dvc")
    script = f"import sys, tiprdc.cli.main; print([m for m in {heavy} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.stdout == "[]\n", process.stderr
