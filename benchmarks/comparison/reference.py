"""Makes what all methods share: shards, and the ceiling and unprotected accuracy.

    python -m benchmarks.comparison.reference --dataset avatars

Writes `shards/<dataset>/` and `results/<dataset>-reference.json`. If the data are missing, the JSON
says so and the cells of the data set are empty.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.comparison.settings import RESULTS, SHARDS, comparison, source
from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.comparison.cell import Reference
from pipelines.comparison.run import absent, make_shards, refer
from pipelines.observability.progress import console, run
from pipelines.params.load import load


def main(dataset: Annotated[str, typer.Option(help="A section of params.yaml.")]) -> None:
    """Prepare a data set and measure the references of all methods."""
    reference(dataset, load("cluster", ClusterConfig))


def reference(dataset: str, cluster: ClusterConfig) -> Reference | None:
    """The reference of a data set, computed if it does not exist; None if the data are missing."""
    config, shards, path = source(dataset), SHARDS / dataset, RESULTS / f"{dataset}-reference.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    reason = absent(config)
    if reason:
        console.print(f"{dataset}: left out: {reason}", markup=False)
        shards.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"absent": reason}) + "\n")
        return None
    with connect(cluster):
        schema = make_shards(config, cluster, shards)
        result = refer(comparison(dataset, schema), cluster, shards, read(path))
        path.write_text(json.dumps({**asdict(result), "shards": ""}, indent=1) + "\n")
    return result


def read(path: Path) -> Reference | None:
    """The reference in a file; None if it does not exist or the data were missing."""
    document = json.loads(path.read_text()) if path.exists() else {"absent": ""}
    if "absent" in document:
        return None
    return Reference(document["shards"], document["levels"], document["settings"])


if __name__ == "__main__":
    run(lambda: typer.run(main))
