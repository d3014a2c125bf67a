"""Out-of-fold predictions of a run: fitted once, before its workers start, and kept beside them.

One task for each private attribute reads extractor-train where the shards are. All workers get the
predictions from Ray's object store. A run that resumes reads them from its folder in storage, which
is as private as its checkpoints.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import ray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipelines.cluster.connect import ClusterConfig, on_driver_node
from pipelines.observability.progress import console
from pipelines.training.storage import Storage
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.models.inputs import InputSpec
from tiprdc.training.out_of_fold import Predictions, predict_out_of_fold

FILE = "cross_fit.safetensors"
_KEY = "predictions"


def with_predictions(
    settings: dict[str, Any], storage: Storage, cluster: ClusterConfig
) -> dict[str, Any]:
    """A run's settings with a reference to its predictions, if its objective uses them.

    Args:
        settings: Of the run.
        storage: Where the run's checkpoints are, and the predictions.
        cluster: Cores and GPUs of a task are those of a worker.

    Raises:
        DataError: Fewer people than folds.
    """
    if not settings["objective"]["cross_fit"]:
        return settings
    return {**settings, _KEY: ray.put(_stored(settings, storage, cluster))}


def predictions_of(settings: dict[str, Any]) -> Predictions | None:
    """In a worker: the predictions, writable as torch wants them; None if there are none."""
    if _KEY not in settings:
        return None
    return {name: (of.copy(), r2) for name, (of, r2) in ray.get(settings[_KEY]).items()}


def _stored(settings: dict[str, Any], storage: Storage, cluster: ClusterConfig) -> Predictions:
    run, schema = settings["name"], settings["schema"]
    with suppress(OSError, SafetensorError, KeyError):
        return _unpack(storage.read(run, FILE), schema)
    console.print("train: fitting the classifiers of train.objective.cross_fit, once for the run")
    task: Any = ray.remote(
        num_cpus=cluster.cpus_per_worker, num_gpus=min(cluster.gpus_per_worker, 1),
        scheduling_strategy=on_driver_node()["scheduling_strategy"], max_retries=cluster.retries,
    )(_predict)  # fmt: skip
    tasks = {
        name: task.remote(settings["shards"], schema, name, settings["seed"])
        for name in schema.private
    }
    predictions: Predictions = {name: ray.get(running) for name, running in tasks.items()}
    # A run can train without the file: the next one fits the classifiers again.
    with suppress(OSError):
        storage.write(run, FILE, _pack(predictions))
    return predictions


def _predict(shards: str, schema: Schema, name: str, seed: int) -> tuple[Any, float]:
    records = read_split(Path(shards), schema, "extractor-train")
    private = {name: schema.classes(name)}
    predicted = predict_out_of_fold(records, InputSpec.of(schema), private, cross_fit, seed)
    of_name, explained = predicted[name]
    return of_name, explained


def _pack(predictions: Predictions) -> bytes:
    arrays = {f"of.{name}": np.ascontiguousarray(of) for name, (of, _) in predictions.items()}
    shares = {f"r2.{name}": np.array(explained) for name, (_, explained) in predictions.items()}
    content: bytes = save({**arrays, **shares})
    return content


def _unpack(content: bytes, schema: Schema) -> Predictions:
    arrays = load(content)
    return {n: (arrays[f"of.{n}"], float(arrays[f"r2.{n}"])) for n in schema.private}
