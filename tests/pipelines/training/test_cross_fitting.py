"""Out-of-fold predictions of a run: fitted once on Ray, kept in its folder, read on resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from msgspec import structs

from pipelines.cluster.connect import ClusterConfig
from pipelines.training import cross_fitting, run
from pipelines.training.cross_fitting import FILE, predictions_of, with_predictions
from pipelines.training.storage import Storage
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training.config import TrainConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.out_of_fold import predict_out_of_fold
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]
CONFIG = TrainConfig(
    extractor=ExtractorConfig(width=8, features=4),
    objective=ObjectiveConfig(cross_fit=True),
    schedule=ScheduleConfig(epochs=2, batch=32, warm_up=0.0),
)
CLUSTER = ClusterConfig(log="")


def settings_of(folder: Path, schema: Schema, config: TrainConfig = CONFIG) -> dict[str, Any]:
    return {**run._settings(config, "protected", folder, schema), "schema": schema}


def test_run_without_cross_fit_has_no_predictions(tmp_path: Path, make_shards: MakeShards) -> None:
    config = structs.replace(CONFIG, objective=ObjectiveConfig())
    settings = settings_of(tmp_path, make_shards(tmp_path, "table"), config)
    assert with_predictions(settings, Storage(str(tmp_path / "runs")), CLUSTER) is settings
    assert predictions_of(settings) is None


@pytest.mark.ray
def test_classifiers_are_fitted_once_and_again_after_damage(
    tmp_path: Path, make_shards: MakeShards, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = make_shards(tmp_path / "shards", "table")
    settings, storage = settings_of(tmp_path / "shards", schema), Storage(str(tmp_path / "runs"))
    fitted = predictions_of(with_predictions(settings, storage, CLUSTER))
    assert fitted is not None
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    private = {name: schema.classes(name) for name in schema.private}
    expected = predict_out_of_fold(records, InputSpec.of(schema), private, cross_fit, CONFIG.seed)
    file = tmp_path / "runs" / settings["name"] / FILE
    whole = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(cross_fitting, "_predict", None)
        stored = predictions_of(with_predictions(settings, storage, CLUSTER))
    assert stored is not None
    for name, (of, r2) in expected.items():
        for predictions in (fitted, stored):
            np.testing.assert_array_equal(predictions[name][0], of)
            assert predictions[name][1] == pytest.approx(r2)
            assert predictions[name][0].flags.writeable
    file.write_bytes(whole[: len(whole) // 2])
    with_predictions(settings, storage, CLUSTER)
    assert file.read_bytes() == whole
    assert [path.name for path in file.parent.iterdir()] == [FILE]


@pytest.mark.slow
@pytest.mark.ray
def test_two_workers_of_streamed_shards_train_on_the_same_predictions(
    tmp_path: Path, make_shards: MakeShards, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path / "shards", "table")
    monkeypatch.setattr(Storage, "forget", lambda *_: None)
    cluster = structs.replace(CLUSTER, workers=2, shards="streamed", storage=str(tmp_path / "runs"))
    paths = {"shards": tmp_path / "shards", "out": tmp_path / "ck", "curves": tmp_path / "curves"}
    run.train(CONFIG, cluster, **paths, roles=["protected"])
    assert (tmp_path / "ck" / "protected" / "checkpoint.json").exists()
    assert len(list((tmp_path / "runs").glob(f"*/{FILE}"))) == 1
    assert ray.is_initialized()
