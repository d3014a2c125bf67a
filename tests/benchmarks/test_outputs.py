"""Benchmarks with a file or folder of results refuse one that cannot be written, at once."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tiprdc.cli.help_style import application

COMMANDS = {
    "auditor.controls": "--out", "auditor.coverage": "--out", "auditor.curves": "--out",
    "auditor.replications": "--out", "comparison.demo_figures": "--out",
    "frontier.__main__": "--out", "robustness.image_fuzz": "--keep",
    "robustness.onnx_fuzz": "--keep", "robustness.table_fuzz": "--keep",
    "robustness.training_faults": "--csv",
}  # fmt: skip


@pytest.mark.parametrize("module", COMMANDS)
def test_unwritable_result_is_refused(tmp_path: Path, module: str) -> None:
    (tmp_path / "file").write_text("")
    app = application()
    app.command()(importlib.import_module(f"benchmarks.{module}").main)
    required = ["--private", "sex", "--seed", "0"] if "demo_figures" in module else []
    words = [*required, COMMANDS[module], str(tmp_path / "file" / "below")]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert "cannot be written" in ended.output
