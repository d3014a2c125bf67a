"""Trunks of principal components: white, fixed, the same on a device; their head hides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from tests.helpers import shards
from tests.helpers.trainers import assert_same_state, finish
from tiprdc.datasets.schema import Column, Records, Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import check_parity
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec, Picture
from tiprdc.models.trunks.mlp import Mlp
from tiprdc.models.trunks.principal_components import ColumnComponents, PictureComponents
from tiprdc.training import checkpoint
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

FEATURES = 12


def make(schema: Schema, features: int = FEATURES, head: int = 16) -> Trainer:
    return Trainer(
        ObjectiveConfig(memory=0),
        ExtractorConfig(family="pca", width=8, features=features, head=head, release_noise=0.3),
        ScheduleConfig(epochs=1, batch=60),
        InputSpec.of(schema), {"secret": 2}, seed=0, head=HeadConfig(epochs=2, batch=64),
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> tuple[Schema, Records]:
    schema = shards.make_shards(tmp_path / "shards", "image", people=400)
    return schema, read_split(tmp_path / "shards", schema, "extractor-train")


@pytest.mark.parametrize("size", [(16, 16), (32, 40), (65, 50)])
def test_components_are_white_and_those_of_the_small_picture(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((20, 3 * size[0] * size[1])) / np.arange(1, 21)[:, None]
    pictures = 127 + 20 * rng.standard_normal((300, 20)) @ patterns
    x = np.clip(pictures, 0, 255).astype(np.uint8).reshape(300, 3, *size)
    trunk = PictureComponents(3, size, FEATURES)
    trunk.fit(x, Picture(), seed=0)
    normalised = Picture()(torch.from_numpy(x))
    with torch.no_grad():
        output = trunk(normalised)
    z = output.global_.numpy().astype(np.float64)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(z.T), np.eye(FEATURES), atol=0.02)
    assert output.local.shape == (300, trunk.positions, trunk.local_width)
    small = (trunk.down @ normalised @ trunk.across.T).flatten(1).numpy()
    strongest = PCA(FEATURES).fit(small).explained_variance_.sum()
    rebuilt = np.linalg.lstsq(np.c_[z, np.ones(len(z))], small, rcond=None)[0]
    left = (small - np.c_[z, np.ones(len(z))] @ rebuilt).var(0, ddof=1).sum()
    assert small.var(0, ddof=1).sum() - left == pytest.approx(strongest, rel=0.02)


def test_components_of_vectors_are_white_and_keep_their_directions() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((400, FEATURES)) @ rng.standard_normal((FEATURES, 70))).astype("f4")
    trunk = ColumnComponents(70, FEATURES)
    trunk.fit(x, torch.nn.Identity(), seed=0)
    with torch.no_grad():
        output = trunk(torch.from_numpy(x))
    z = output.global_.numpy()
    np.testing.assert_allclose(np.cov(z.T), np.eye(FEATURES), atol=0.02)
    rebuilt = np.c_[z, np.ones(400)] @ np.linalg.lstsq(np.c_[z, np.ones(400)], x, rcond=None)[0]
    np.testing.assert_allclose(rebuilt, x, atol=1e-3)
    # The critic sees every number, in blocks.
    np.testing.assert_array_equal(output.local.flatten(1)[:, :70], x)
    assert output.local.shape == (400, trunk.positions, trunk.local_width)


def test_more_components_than_vectors_vary_in_are_refused() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3)).astype("f4") @ np.ones((3, 40), "f4")
    with pytest.raises(ConfigError, match=r"set train\.extractor\.features to 1 or less"):
        ColumnComponents(40, 4).fit(x, torch.nn.Identity(), seed=0)


@pytest.mark.parametrize(
    ("columns", "family"), [(("emb[0]", "emb[1]"), ColumnComponents), (("emb[0]", "age"), Mlp)]
)
def test_auto_is_components_for_vectors_alone(columns: tuple[str, ...], family: type) -> None:
    spec = InputSpec(
        modality="table", shape=(2,), columns=tuple(Column(name=name) for name in columns)
    )
    assert type(ExtractorConfig().trunk(spec, 2)) is family


def test_the_trunk_is_fitted_once_and_stays(data: tuple[Schema, Records]) -> None:
    schema, records = data
    trainer = make(schema)
    trainer.train_epoch(records)
    extractor = trainer.game.extractor
    assert isinstance(extractor, Extractor)
    fitted = {name: value.clone() for name, value in extractor.trunk.state_dict().items()}
    finish(trainer, records)
    for name, value in extractor.trunk.state_dict().items():
        assert torch.equal(value, fitted[name]), name


def test_a_resumed_training_equals_a_whole_one(
    tmp_path: Path, data: tuple[Schema, Records]
) -> None:
    schema, records = data
    whole, cut = make(schema), make(schema)
    for trainer in (whole, cut):
        trainer.train_epoch(records)
    checkpoint.save(cut, tmp_path / "ck")
    resumed = make(schema)
    checkpoint.load(resumed, tmp_path / "ck")
    for trainer in (whole, resumed):
        trainer.train_epoch(records)
    assert_same_state(whole, resumed)


def test_the_file_agrees_with_torch(tmp_path: Path, data: tuple[Schema, Records]) -> None:
    schema, records = data
    trainer = make(schema)
    finish(trainer, records)
    checkpoint.save(trainer, tmp_path / "ck")
    extractor = checkpoint.load_extractor(tmp_path / "ck")
    export(extractor, tmp_path / "extractor.onnx", ExportConfig())
    parity = check_parity(extractor, tmp_path / "extractor.onnx", records.x, ExportConfig())
    assert parity.max_abs < 1e-4


def test_more_components_than_pictures_have_are_refused(data: tuple[Schema, Records]) -> None:
    schema, records = data
    with pytest.raises(ConfigError, match=r"train.extractor.features: 500 principal components"):
        make(schema, features=500).train_epoch(records)
