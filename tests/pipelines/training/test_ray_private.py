"""The guard around Ray's private names."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray.train
from packaging.requirements import Requirement
from ray.train import Checkpoint

from pipelines.training.ray_private import checkpoint_list_name, upload
from tiprdc.errors import ClusterError

ROOT = Path(__file__).parents[3]


def test_installed_ray_has_the_private_names() -> None:
    assert checkpoint_list_name().endswith(".json")
    storage = importlib.import_module("ray.train.v2._internal.execution.storage")
    assert callable(storage.StorageContext.persist_current_checkpoint)


def test_missing_private_name_is_a_cluster_error_with_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace())
    with pytest.raises(ClusterError, match=r"changed the name of its list(.|\n)*<2\.61"):
        checkpoint_list_name()
    context = SimpleNamespace(get_storage=lambda: SimpleNamespace())
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    with pytest.raises(ClusterError, match="changed the upload of a checkpoint"):
        upload(Checkpoint.from_directory(str(tmp_path)), "checkpoint")


def test_private_names_are_used_in_one_file_with_the_bound_of_pyproject() -> None:
    private = ("ray.train.v2", "persist_current_checkpoint")
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "pipelines").rglob("*.py"))
        if any(name in path.read_text() for name in private)
    ]
    assert users == ["pipelines/training/ray_private.py"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = map(Requirement, extras["optional-dependencies"]["cluster"])
    (specifier,) = [str(one.specifier) for one in requirements if one.name == "ray"]
    text = (ROOT / users[0]).read_text()
    assert all(bound in text for bound in specifier.split(","))
