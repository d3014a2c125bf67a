"""Codes: few values, the same after a resume, prototypes of several people, all checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers import shards
from tests.helpers.release_samples import SHAPES, write_release
from tests.helpers.trainers import assert_same_state, finish
from tiprdc.datasets.schema import Modality, Records, Schema, read_split
from tiprdc.errors import ConfigError, ModelError
from tiprdc.export.build import build
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import check_parity
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.layers.codebook import MOST_CODES, Codebook
from tiprdc.runtime.extractor import Extractor as Runtime
from tiprdc.runtime.session import open_session
from tiprdc.statistics.certificate import MAX_CELLS
from tiprdc.training import checkpoint
from tiprdc.training.head.codebook_fit import FEWEST, agreement, check_codes
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

CODES = 16


def make(schema: Schema, **architecture: float) -> Trainer:
    return Trainer(
        ObjectiveConfig(privacy_weight=0.3, memory=0),
        ExtractorConfig(width=8, features=6, codes=CODES, **architecture),  # type: ignore[arg-type]
        ScheduleConfig(epochs=2, batch=60, warm_up=0.0),
        InputSpec.of(schema), {"secret": 2}, seed=0, head=HeadConfig(epochs=1, batch=64),
    )  # fmt: skip


def extractor_of(trainer: Trainer) -> Extractor:
    extractor = trainer.game.extractor
    assert isinstance(extractor, Extractor)
    return extractor


def data(folder: Path, modality: Modality) -> tuple[Schema, Records]:
    schema = shards.make_shards(folder, modality, people=400)
    return schema, read_split(folder, schema, "extractor-train")


@pytest.mark.parametrize("modality", ["image", "table", "text", "audio"])
def test_features_of_a_finished_training_are_prototypes(tmp_path: Path, modality: Modality) -> None:
    schema, records = data(tmp_path / "shards", modality)
    trainer = make(schema, head=16, release_noise=0.3)
    trainer.train_epoch(records)
    assert len(np.unique(trainer.features(records), axis=0)) > CODES, "codes come last"
    finish(trainer, records)
    z = trainer.features(records)
    assert 2 <= len(np.unique(z, axis=0)) <= CODES
    np.testing.assert_array_equal(z, trainer.features(records))


def test_a_prototype_is_the_mean_of_several_records(tmp_path: Path) -> None:
    schema, records = data(tmp_path / "shards", "table")
    trainer = make(schema)
    finish(trainer, records)
    extractor = extractor_of(trainer).eval()
    assert extractor.codebook is not None
    with torch.no_grad():
        exact = extractor.features_before_release(torch.from_numpy(records.x))
    code = extractor.codebook.number(exact)
    for number in code.unique():
        members = exact[code == number]
        assert len(members) >= FEWEST
        prototype = extractor.codebook.prototypes[number]
        # Records of a cell that was dropped for being small joined others.
        assert (prototype - members.mean(0)).norm() < 0.5 * members.std(0).norm()


def test_codes_come_back_with_a_checkpoint_and_after_a_resume(tmp_path: Path) -> None:
    schema, records = data(tmp_path / "shards", "table")
    whole, cut = make(schema), make(schema)
    whole.train_epoch(records), whole.train_epoch(records)
    cut.train_epoch(records)
    checkpoint.save(cut, tmp_path / "ck")
    resumed = make(schema)
    checkpoint.load(resumed, tmp_path / "ck")
    resumed.train_epoch(records)
    assert_same_state(whole, resumed)
    checkpoint.save(resumed, tmp_path / "done")
    loaded = checkpoint.load_extractor(tmp_path / "done")
    with torch.no_grad():
        z = loaded(torch.from_numpy(records.x)).numpy()
    np.testing.assert_array_equal(z, whole.features(records))


@pytest.mark.parametrize("modality", ["image", "table"])
def test_the_file_gives_numbers_and_prototypes(tmp_path: Path, modality: Modality) -> None:
    schema, records = data(tmp_path / "shards", modality)
    trainer = make(schema)
    finish(trainer, records)
    extractor = extractor_of(trainer).eval()
    assert extractor.codebook is not None
    path = tmp_path / "extractor.onnx"
    export(extractor, path, ExportConfig())
    check_parity(extractor, path, records.x, ExportConfig())
    session = open_session(path)
    assert [(o.name, o.type) for o in session.get_outputs()] == [
        ("z", "tensor(float)"), ("code", "tensor(int64)"),
    ]  # fmt: skip
    z, code = session.run(None, {"x": records.x})
    np.testing.assert_array_equal(z, extractor.codebook.prototypes.numpy()[code])
    # A record on the border of two cells may fall on either side.
    assert np.mean((z == trainer.features(records)).all(1)) > 0.99


def test_directions_that_copies_change_count_little() -> None:
    torch.manual_seed(0)
    steady, changing = torch.randn(4000), 5 * torch.randn(4000, 3)
    z = torch.stack([steady[:, None].expand(-1, 3), changing], dim=2)
    metric = agreement(z)
    assert metric[0].norm() > 10 * 5 * metric[1].norm()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codes": 1}, r"train.extractor.codes: 1 code\n.*2 codes or more"),
        ({"codes": 5000}, r"train.extractor.codes: 5000"),
        ({"codes": 8, "bits": 2, "clip": 1.0}, r"8 codes of features with levels"),
    ],
)
def test_settings_that_no_codebook_fits_are_refused(
    settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ExtractorConfig(**settings)  # type: ignore[arg-type]


def test_more_codes_than_records_can_fill_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"64 codes for 300 records (.|\n)*at most 60"):
        check_codes(64, 300)
    check_codes(60, 300)
    check_codes(0, 3)


def test_a_code_without_prototype_is_never_given() -> None:
    codebook = Codebook(8, 3)
    prototypes = torch.randn(3, 3)
    codebook.fill(prototypes, prototypes, prototypes.square().sum(1) / 2)
    assert codebook.number(100 * torch.randn(500, 3)).max() < 3
    assert not Codebook(8, 3).is_filled


def test_the_audit_recognises_as_many_codes_as_there_can_be() -> None:
    assert MOST_CODES == MAX_CELLS


def test_a_device_gets_numbers_and_prototypes_of_a_release(tmp_path: Path) -> None:
    schema, records = data(tmp_path / "shards", "table")
    for role in ("protected", "unprotected"):
        trainer = make(schema)
        finish(trainer, records)
        checkpoint.save(trainer, tmp_path / "ck" / role)
    build(
        ExportConfig(parity_records=10), shards=tmp_path / "shards", checkpoint=tmp_path / "ck",
        release=tmp_path / "release", unprotected=tmp_path / "unprotected",
    )  # fmt: skip
    extractor = Runtime.load(tmp_path / "release")
    code, z = extractor.codes(records.x), extractor(records.x)
    assert (code.dtype, code.shape) == (np.int64, (len(records.x),))
    for number in np.unique(code):
        assert len(np.unique(z[code == number], axis=0)) == 1
    assert len(extractor.codes(records.x[:0])) == 0
    assert extractor.contract.most_bits.record == np.log2(CODES)


def test_numbers_of_a_release_without_codes_are_refused(tmp_path: Path) -> None:
    extractor = Runtime.load(write_release(tmp_path))
    with pytest.raises(ModelError, match="its features are no codes"):
        extractor.codes(np.zeros((1, *SHAPES["image"]), np.uint8))
