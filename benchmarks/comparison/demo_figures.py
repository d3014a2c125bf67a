"""Makes the README's figures: one private attribute and seed a row, through the whole graph.

    python -m benchmarks.comparison.demo_figures --private skin_tone --private glasses --seed 0

Everything else comes from params.yaml: the same shards, training, export and audit as `dvc repro`.
The shards are prepared once. Rows that are in the CSV are not computed again, so a stopped run
resumes. `benchmarks.comparison.cell` measures many methods with fewer attacks; this is the whole
graph of the default method, verdict included.
"""

from __future__ import annotations

import csv
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import structs
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.csv_rows import append
from benchmarks.outputs import writable_file
from pipelines.audit.run import audit
from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.params.load import load
from pipelines.preparation.sharding import prepare
from pipelines.training.run import train
from tiprdc.audit.config import AuditConfig
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema, read_schema
from tiprdc.export.build import build
from tiprdc.export.onnx_export import ExportConfig
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training

HERE = Path(__file__).parent
COLUMNS = (
    "dataset", "private", "seed", "verdict", "attack", "value", "low", "high", "prior", "floor",
    "unprotected", "ceiling", "mean_utility_loss", "utility",
)  # fmt: skip


def main(
    private: Annotated[list[str], typer.Option(help="A private attribute; repeatable.")],
    seed: Annotated[list[int], typer.Option(help="A seed of training; repeatable.")],
    work: Annotated[Path, typer.Option(help="Folder for shards and models.")] = Path(
        "runs/figures"
    ),
    out: Annotated[
        Path,
        typer.Option(help="CSV to add to.", callback=writable_file),
    ] = HERE / "demo_figures.csv",
) -> None:
    """Train, export and audit each attribute with each seed; write one row of the CSV for each."""
    config, cluster = load("prepare", PrepareConfig), load("cluster", ClusterConfig)
    with connect(cluster):
        shards = work / config.dataset
        if not (shards / "schema.json").exists():
            prepare(config, cluster, out=shards)
        tasks = tuple(dict.fromkeys((*config.private, *config.utility)))
        for name in private:
            for number in seed:
                if (config.dataset, name, str(number)) not in _finished(out):
                    _append(out, _row(shards, name, tasks, number, cluster))
    _print(out)


def _row(
    shards: Path, name: str, tasks: tuple[str, ...], seed: int, cluster: ClusterConfig
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        schema = _with_private(shards, folder / "shards", name, tasks)
        settings = load("train", TrainConfig, auto=training(schema))
        train(
            structs.replace(settings, seed=seed), cluster,
            shards=folder / "shards", out=folder / "checkpoint", curves=folder / "curves",
        )  # fmt: skip
        build(
            load("export", ExportConfig), shards=folder / "shards",
            checkpoint=folder / "checkpoint", release=folder / "release",
            unprotected=folder / "unprotected",
        )  # fmt: skip
        audit(
            structs.replace(load("audit", AuditConfig), reconstruction=False),
            cluster,
            shards=folder / "shards",
            release=folder / "release",
            unprotected=folder / "unprotected",
            out=folder / "reports",
        )
        report = json.loads((folder / "reports" / "audit.json").read_text())
    attribute = report["attributes"][name]
    strongest = attribute["strongest"]
    utility = {
        task: {side: round(values[side]["balanced_accuracy"], 4)
               for side in ("released", "unprotected", "ceiling")}
        for task, values in report["utility"].items()
    }  # fmt: skip
    return {
        "dataset": schema.dataset, "private": name, "seed": seed, "verdict": report["verdict"],
        "attack": strongest["attack"], "value": strongest["balanced_accuracy"],
        "low": strongest["low"], "high": strongest["high"], "prior": attribute["prior"],
        "floor": attribute["floor"],
        "unprotected": attribute["controls"]["unprotected"]["balanced_accuracy"],
        "ceiling": attribute["ceiling"], "mean_utility_loss": report["mean_utility_loss"],
        "utility": json.dumps(utility),
    }  # fmt: skip


def _with_private(shards: Path, folder: Path, name: str, tasks: tuple[str, ...]) -> Schema:
    """Link the shards into a folder, with another private attribute in schema.json."""
    folder.mkdir()
    for entry in shards.resolve().iterdir():
        if entry.name != "schema.json":
            (folder / entry.name).symlink_to(entry)
    utility = tuple(task for task in tasks if task != name)
    schema = replace(read_schema(shards), private=(name,), utility=utility)
    (folder / "schema.json").write_text(json.dumps(asdict(schema), indent=1) + "\n")
    return schema


def _finished(out: Path) -> set[tuple[str, str, str]]:
    if not out.exists():
        return set()
    with out.open(newline="") as stream:
        return {(row["dataset"], row["private"], row["seed"]) for row in csv.DictReader(stream)}


def _append(out: Path, row: dict[str, Any]) -> None:
    texts = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()}
    append(out, COLUMNS, texts)


def _print(out: Path) -> None:
    # The columns that fit a terminal of 80 characters; the file has all.
    headings = {
        "private": "private", "seed": "seed", "verdict": "verdict", "value": "value", "low": "low",
        "high": "high", "unprotected": "unprotected", "ceiling": "raw", "mean_utility_loss": "lost",
    }  # fmt: skip
    table = Table(*headings.values(), box=SIMPLE, padding=0)
    with out.open(newline="") as stream:
        for row in csv.DictReader(stream):
            table.add_row(*(row[column] for column in headings))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
