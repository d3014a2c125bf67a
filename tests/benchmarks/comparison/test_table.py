"""Tables and plots of the comparison, from a small CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.comparison import table
from pipelines.comparison.run import COLUMNS
from tiprdc.errors import DataError

TASKS = ("glasses", "hair")


def row(method: str, attribute: str, value: float, seed: int = 0, **more: Any) -> dict[str, Any]:
    private = attribute == "skin"
    levels = {"prior": 0.5, "ceiling": 0.97, "unprotected": 0.9, "floor": 0.51 if private else ""}
    return {
        "dataset": "faces", "method": method, "seed": seed, "attribute": attribute,
        "role": "private" if private else "utility", **levels,
        "value": value, "low": value - 0.02, "high": value + 0.02,
        "accuracy": value, "accuracy_low": value, "accuracy_high": value, "attack": "kernel",
        "known": "", "features": 8, "settings": "a", **more,
    }  # fmt: skip


ROWS = [
    row("ours", "skin", 0.58), row("ours", "glasses", 0.80), row("ours", "hair", 0.85),
    row("ours", "skin", 0.60, seed=1), row("ours", "glasses", 0.82, seed=1),
    row("ours", "hair", 0.85, seed=1),
    row("pan", "skin", 0.70, known="glasses", psnr=15.0),
    row("pan", "glasses", 0.95, known="glasses", psnr=15.0),
    row("pan", "hair", 0.60, known="glasses", psnr=15.0),
]  # fmt: skip


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    monkeypatch.setattr(table, "TABLE", tmp_path / "table")
    listed = {"datasets": ("faces", "texts"), "methods": ("ours", "pan")}
    monkeypatch.setattr(table, "listed", lambda key: listed[key])
    for method in ("ours", "pan"):
        write(tmp_path / f"faces-{method}.csv", [r for r in ROWS if r["method"] == method])
    write(tmp_path / "texts-ours.csv", [])  # a data set without data
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)


def test_results_csv_has_the_rows_of_all_cells(results: Path) -> None:
    table.main()
    written = pd.read_csv(results / "table" / "results.csv")
    assert tuple(written.columns) == COLUMNS
    assert len(written) == len(ROWS)
    assert list(written.columns[:12]) == [
        "dataset", "method", "seed", "attribute", "role", "prior", "floor", "ceiling",
        "unprotected", "value", "low", "high",
    ]  # fmt: skip


def test_markdown_has_means_bounds_and_marks_supervised_tasks(results: Path) -> None:
    table.main()
    text = (results / "table" / "table.md").read_text()
    ours, pan = (next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
                 for name in ("ours", "pan"))  # fmt: skip
    assert "| 59.0 (56.0 to 62.0) | 70.2 | 81.0 (78.0 to 84.0) | 85.0 (83.0 to 87.0) | 8 |" in ours
    assert "| 21.3 | *95.0 (93.0 to 97.0)* | 60.0 (58.0 to 62.0) | 8 | 15.00 |" in pan
    assert "| skin | 50.0 | 51.0 | 97.0 | 90.0 |" in text
    assert "| hair | 50.0 |  | 97.0 | 90.0 |" in text
    assert text.index("| pan |") < text.index("| ours |")  # the registry's order


def test_unseen_tasks_are_those_no_method_is_trained_with(results: Path) -> None:
    rows = table.read([results / "faces-ours.csv", results / "faces-pan.csv"])
    assert table.unseen_tasks(rows) == ["hair"]
    only = rows[rows["attribute"] != "hair"]
    assert table.unseen_tasks(only) == ["glasses"]


def test_plot_names_every_method_and_is_reproducible(results: Path) -> None:
    table.main()
    first = (results / "table" / "faces.svg").read_bytes()
    for word in (b"ours", b"pan", b"unprotected", b"hair"):
        assert word in first
    assert b"Mean over glasses" not in first
    table.main()
    assert (results / "table" / "faces.svg").read_bytes() == first


def test_rows_of_different_settings_are_refused(results: Path) -> None:
    write(results / "faces-pan.csv", [{**r, "settings": "b"} for r in ROWS if r["method"] == "pan"])
    with pytest.raises(DataError, match="faces: cells of different settings"):
        table.main()


def test_no_finished_cell_names_the_command_to_run(results: Path) -> None:
    for file in results.glob("*.csv"):
        write(file, [])
    with pytest.raises(DataError, match=r"run `python -m benchmarks\.comparison\.cell"):
        table.main()
