"""Exit codes say what happened: a verdict, a user's error, a crash or an interrupt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tiprdc import errors
from tiprdc.cli import main

ROOT = Path(__file__).parents[3]


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def audit(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tiprdc.selftest.run.self_test", audit)
    monkeypatch.setattr(sys, "argv", ["tiprdc", "self-test"])
    with pytest.raises(SystemExit) as ended:
        main.app()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError(28, "x"), MemoryError(), KeyError()])
def test_crash_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    assert run(monkeypatch, error) == errors.CRASH
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, KeyboardInterrupt()) == errors.INTERRUPTED


@pytest.mark.parametrize("module", ["torch", "scipy.stats", "pandas", "onnx"])
def test_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    assert run(monkeypatch, error) == errors.USER_ERROR
    err = capsys.readouterr().err
    assert 'pip install "tiprdc[audit]"' in err
    assert "Traceback" not in err


def test_missing_module_of_ours_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'tiprdc.nothing'", name="tiprdc.nothing")
    assert run(monkeypatch, error) == errors.CRASH


def test_commands_without_the_extra_say_what_to_install() -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'pandas', 'scipy', 'sklearn')));"
        "from tiprdc.cli.main import app; app()"
    )
    for words in (["self-test"], ["audit", "m.onnx", "--data", "a.csv", "--private", "b"]):
        ended = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert 'hint: pip install "tiprdc[audit]"' in ended.stderr


def test_crash_of_an_audit_on_ray_is_no_verdict(tmp_path: Path) -> None:
    script = (
        "import runpy, sys; import pipelines.audit.run as run; run.audit = lambda *a, **k: 1 / 0;"
        f"sys.argv = ['audit', '.', '--out', {str(tmp_path)!r}];"
        "runpy.run_module('pipelines.audit', run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == errors.CRASH
    assert "ZeroDivisionError" in ended.stderr
