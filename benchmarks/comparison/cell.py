"""Runs cells of the comparison: each fits, exports and attacks one method on one data set.

    python -m benchmarks.comparison.cell --dataset avatars --method ours
    python -m benchmarks.comparison.cell                      (everything in params.yaml)

One CSV for each data set and method. Cells run in parallel on Ray, on this machine or on the
cluster of RAY_ADDRESS. Finished cells are skipped, so a stopped run resumes.
"""

from __future__ import annotations

from typing import Annotated

import typer

from benchmarks.comparison.reference import reference
from benchmarks.comparison.settings import SHARDS, cell_file, comparison, listed
from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.comparison.cell import Cell
from pipelines.comparison.run import clear, run_cells
from pipelines.observability.progress import run
from pipelines.params.load import load
from tiprdc.baselines.methods import method_named
from tiprdc.datasets.schema import read_schema


def main(
    dataset: Annotated[list[str] | None, typer.Option(help="A data set; repeatable.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="A method; repeatable.")] = None,
) -> None:
    """Run the cells of these data sets and methods. Default: all that params.yaml lists."""
    datasets = tuple(dataset or listed("datasets"))
    methods = tuple(method or listed("methods"))
    for name in methods:
        method_named(name, "methods")
    cluster = load("cluster", ClusterConfig)
    with connect(cluster):
        results = {name: reference(name, cluster) for name in datasets}
        references = {name: one for name, one in results.items() if one is not None}
        configs = {name: comparison(name, read_schema(SHARDS / name)) for name in references}
        cells = [
            Cell(name, each, seed)
            for name, config in configs.items()
            for each in methods
            for seed in (config.seeds if each == "ours" else config.seeds[:1])
        ]
        run_cells(
            cells, configs, cluster, references, lambda cell: cell_file(cell.dataset, cell.method)
        )
    for name in results.keys() - references.keys():
        for each in methods:
            clear(cell_file(name, each))


if __name__ == "__main__":
    run(lambda: typer.run(main))
