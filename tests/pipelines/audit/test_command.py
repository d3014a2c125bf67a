"""The audit end to end on planted data, with ONNX files whose leak is known."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from msgspec import structs
from onnx import TensorProto, helper
from typer.testing import CliRunner

from pipelines.audit import __main__
from pipelines.audit.__main__ import resolve
from pipelines.audit.run import audit
from pipelines.cluster.connect import ClusterConfig
from tests.helpers.audit_project import DECODING
from tests.helpers.known_leak import write_model
from tiprdc.audit import tasks
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.own_model import OwnModel
from tiprdc.audit.policy import PolicyConfig
from tiprdc.datasets.schema import DTYPES, Modality, Schema
from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.formats import audit_schema
from tiprdc.formats.audit_report import AuditReport

MakeShards = Callable[..., Schema]
CONFIG = AuditConfig(
    policy=PolicyConfig(margin=0.2, min_people=20),
    attacks=("logistic_regression", "kernel"),
    probes=("logistic_regression",),
    raw=("logistic_regression",),
    seeds=(0,),
    reconstruction=False,
)


class Project:
    """Shards, a release and an unprotected extractor in a folder."""

    def __init__(
        self, root: Path, make_shards: MakeShards, modality: Modality, people: int
    ) -> None:
        self.root = root
        self.schema = make_shards(root / "shards", modality, people=people)
        self.width = int(np.prod(self.schema.shape))

    def release(self, weights: np.ndarray, *ops: str) -> None:
        digest = write_model(self.root / "release" / "extractor.onnx", self.schema, weights, *ops)
        write_model(self.root / "unprotected" / "unprotected.onnx", self.schema, np.eye(self.width))
        manifest = {
            "manifest_version": 2,
            "name": "extractor",
            "tiprdc_version": "0",
            "private": ["secret"],
            "input": {
                "name": "x", "modality": self.schema.modality,
                "dtype": np.dtype(DTYPES[self.schema.modality]).name,
                "shape": ["batch", *self.schema.shape],
                "columns": [asdict(column) for column in self.schema.columns],
                "vocabulary_size": self.schema.vocabulary_size,
                "decoding": DECODING if self.schema.modality == "image" else None,
            },
            "output": {"name": "z", "dtype": "float32", "shape": ["batch", weights.shape[1]]},
            "opset": 20,
            "parity": {"records": 1, "max_abs": 0.0, "mean_abs": 0.0},
            "training_data": {"dataset": "planted", "digest": self.schema.digest},
            "files": {"extractor.onnx": {"sha256": digest, "bytes": 1}},
            "notes": [],
        }  # fmt: skip
        (self.root / "release" / "manifest.json").write_text(json.dumps(manifest))

    def audit(self, config: AuditConfig = CONFIG, out: str = "reports") -> AuditReport:
        return audit(
            config,
            ClusterConfig(num_cpus=2, log=""),
            shards=self.root / "shards",
            release=self.root / "release",
            unprotected=self.root / "unprotected",
            out=self.root / out,
        )


@pytest.fixture
def table(tmp_path: Path, make_shards: MakeShards) -> Project:
    """Columns level (the secret), noise, kind (the task), other."""
    return Project(tmp_path, make_shards, "table", 240)


HIDES = np.eye(4)[:, 1:]
SHOWS = np.eye(4)


@pytest.mark.ray
def test_release_without_the_secret_passes(table: Project, local_ray: None) -> None:
    table.release(HIDES)
    report = table.audit(structs.replace(CONFIG, reconstruction=True))
    assert (report.verdict, report.reasons) == ("PASS", ())
    secret, task = report.attributes["secret"], report.utility["task"]
    assert secret.ceiling == 1
    assert secret.people == 240
    assert secret.strongest is not None
    assert abs(secret.strongest.balanced_accuracy - 0.5) < 0.12
    assert task.released is not None
    assert task.released.balanced_accuracy > 0.97
    assert report.reconstruction is not None
    assert report.reconstruction["unprotected"]["level"] > 0.5
    assert report.reconstruction["released"]["level"] < 0.3
    schema = json.loads(audit_schema.FILE.read_text())
    text = (table.root / "reports" / "audit.json").read_text()
    jsonschema.validate(json.loads(text), schema)
    assert text == report.to_json()


@pytest.mark.ray
def test_release_with_the_secret_fails_reproducibly(table: Project, local_ray: None) -> None:
    table.release(SHOWS)
    first, again = table.audit(), table.audit(out="again")
    assert first.verdict == "FAIL"
    assert "the lower bound" in first.reasons[0]
    for name in ("audit.json", "metrics.json", "attacks.csv", "pictures.npz"):
        files = [(table.root / out / name).read_bytes() for out in ("reports", "again")]
        assert files[0] == files[1]
    assert first.to_json() == again.to_json()


@pytest.mark.ray
def test_features_with_nan_never_pass(table: Project, local_ray: None) -> None:
    table.release(-np.abs(HIDES) - 1, "Log")
    report = table.audit()
    assert report.verdict == "INCONCLUSIVE"
    assert report.attributes["secret"].strongest is None
    assert any("contains NaN" in run.status for run in report.attributes["secret"].attacks)


@pytest.mark.ray
def test_constant_picture_features_leave_the_prior(
    tmp_path: Path, make_shards: MakeShards, local_ray: None
) -> None:
    project = Project(tmp_path, make_shards, "image", 120)
    project.release(np.zeros((project.width, 3)))
    write_model(tmp_path / "unprotected" / "unprotected.onnx", project.schema, _halves())
    report = project.audit(structs.replace(CONFIG, reconstruction=True))
    secret = report.attributes["secret"]
    assert secret.strongest is not None
    assert secret.strongest.balanced_accuracy == 0.5
    assert secret.leakage is not None
    assert secret.leakage.bits < 0.02
    assert secret.ceiling is not None
    assert secret.ceiling > 0.95
    with np.load(tmp_path / "reports" / "pictures.npz") as pictures:
        shapes = {name: pictures[name].shape for name in pictures}
    assert shapes == dict.fromkeys(("record", "released", "unprotected"), (8, 3, 16, 16))


def _halves() -> np.ndarray:
    """The mean of the upper half, and of both sides of the lower half: `[768, 3]`."""
    masks = np.zeros((3, 3, 16, 16))
    masks[0, :, :8], masks[1, :, 8:, :8], masks[2, :, 8:, 8:] = 1, 1, 1
    return masks.reshape(3, -1).T / 192


@pytest.mark.ray
def test_text_release_gets_text_attacks_and_token_reconstruction(
    tmp_path: Path, make_shards: MakeShards, local_ray: None
) -> None:
    project = Project(tmp_path, make_shards, "text", 160)
    project.release(np.zeros((12, 2)))
    report = project.audit(structs.replace(CONFIG, raw=("bag_of_tokens",), reconstruction=True))
    assert report.verdict == "PASS"
    assert report.attributes["secret"].ceiling == 1
    assert report.reconstruction is not None
    nothing, released = (report.reconstruction[n] for n in ("without_features", "released"))
    assert released["average_precision"] == pytest.approx(nothing["average_precision"], abs=0.05)


@pytest.mark.ray
def test_dead_worker_makes_the_audit_inconclusive(
    table: Project, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    table.release(HIDES)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(tasks, "fit", _dies_as_kernel)
    try:
        report = table.audit()
    finally:
        ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert report.verdict == "INCONCLUSIVE"
    assert any("kernel on released (seed 0, fresh) failed" in reason for reason in report.reasons)


def _dies_as_kernel(job: Any, *arguments: Any) -> Any:
    from tiprdc.audit.tasks import fit

    if job.attack == "kernel":
        os._exit(1)
    return fit(job, *arguments)


@pytest.mark.ray
def test_file_that_onnxruntime_refuses_is_a_model_error(table: Project, local_ray: None) -> None:
    table.release(HIDES)
    broken = table.root / "unprotected" / "unprotected.onnx"
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(ModelError, match="ONNX file"):
        table.audit()


@pytest.mark.parametrize("name", ["release", "release/extractor.onnx"])
def test_release_can_be_given_by_path(
    table: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.release(HIDES)
    monkeypatch.chdir(table.root)
    assert resolve(name) == Path("release")


def test_version_is_monitored_under_its_own_name() -> None:
    assert __main__._monitor_names("artifacts/release") == {}
    named = {"stage": "audit-extractor-int8@v1.2.0", "artifact": "extractor-int8@v1.2.0"}
    assert __main__._monitor_names("extractor-int8@v1.2.0") == named


def test_unknown_release_is_refused() -> None:
    with pytest.raises(ModelError, match="does not exist"):
        resolve("artifacts/relaese")


def test_results_that_cannot_be_written_are_refused_before_the_release_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "audit.json").write_text("{}")
    for out, message in ((tmp_path / "file", "cannot be written"), (tmp_path, "add --replace")):
        ended = CliRunner().invoke(__main__.app, ["no_release", "--out", str(out)])
        assert isinstance(ended.exception, ConfigError)
        assert message in str(ended.exception)
    ended = CliRunner().invoke(__main__.app, ["no_release", "--out", str(tmp_path), "--replace"])
    assert isinstance(ended.exception, ModelError)


def test_too_few_people_are_refused_before_any_work(table: Project) -> None:
    table.release(HIDES)
    with pytest.raises(DataError, match="at least 121") as refused:
        table.audit(structs.replace(CONFIG, policy=PolicyConfig(min_people=121)))
    assert "attacker-test, secret" in str(refused.value)
    assert not (table.root / "reports").exists()


def test_file_that_differs_from_its_manifest_is_refused(table: Project) -> None:
    table.release(HIDES)
    with (table.root / "release" / "extractor.onnx").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match="as its manifest says"):
        table.audit()


def test_release_trained_on_other_shards_is_refused(table: Project) -> None:
    table.schema = replace(table.schema, digest="f" * 64)
    table.release(HIDES)
    with pytest.raises(ModelError, match="trained on other shards"):
        table.audit()


def test_missing_file_is_named_in_the_error(table: Project) -> None:
    table.release(HIDES)
    (table.root / "unprotected" / "unprotected.onnx").unlink()
    with pytest.raises(ModelError, match="no such file"):
        table.audit()


def test_noise_of_a_release_is_seeded_by_the_records(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["n"]),
        helper.make_node("Add", ["x", "n"], ["z"]),
    ]
    shape = ["batch", 3]
    graph = helper.make_graph(
        nodes,
        "noisy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content = OwnModel(model.SerializeToString())
    people, others = np.zeros((700, 3), np.float32), np.zeros((701, 3), np.float32)
    z = content.features(people)
    assert np.array_equal(z, content.features(people))
    assert len(np.unique(z)) == z.size, "each record has noise of its own"
    assert not np.isin(content.features(others), z).any()
