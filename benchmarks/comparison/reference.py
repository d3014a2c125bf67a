"""What does not depend on the method: shards, and for each seed the ceiling and unprotected twin.

    python -m benchmarks.comparison.reference --dataset avatars

Writes `shards/<dataset>/` and `results/<dataset>-reference.json`. Where the data are not there it
says so in both, and the data set's cells are empty.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.comparison.settings import RESULTS, SHARDS, comparison, source
from pipelines.cluster import ClusterConfig, connect
from pipelines.comparison.cell import Reference
from pipelines.comparison.run import absent, make_shards, refer
from pipelines.observability.progress import console, run
from pipelines.params import load


def main(dataset: Annotated[str, typer.Option(help="A section of params.yaml.")]) -> None:
    """Prepare a data set and measure what every method is compared with."""
    reference(dataset, load("cluster", ClusterConfig))


def reference(dataset: str, cluster: ClusterConfig) -> Reference | None:
    """The reference of a data set, made if it is not there; None where the data are not."""
    config, shards, path = source(dataset), SHARDS / dataset, RESULTS / f"{dataset}-reference.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    why = absent(config)
    if why:
        console.print(f"{dataset}: left out: {why}", markup=False)
        shards.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"absent": why}) + "\n")
        return None
    with connect(cluster):
        schema = make_shards(config, cluster, shards)
        for found in refer(comparison(dataset, schema), cluster, shards, read(path)):
            path.write_text(json.dumps({**asdict(found), "shards": ""}, indent=1) + "\n")
    return found


def read(path: Path) -> Reference | None:
    """What was written before; None if there is nothing."""
    document = json.loads(path.read_text()) if path.exists() else {"absent": ""}
    if "absent" in document:
        return None
    levels = {int(seed): found for seed, found in document["levels"].items()}
    return Reference(document["shards"], levels, document["settings"])


if __name__ == "__main__":
    run(lambda: typer.run(main))
