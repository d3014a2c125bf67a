"""Every hostile ONNX file is refused with a message; none opens a file or crashes the caller."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.helpers.costly_onnx import STOPPED
from tests.helpers.hostile_manifests import MANIFESTS
from tests.helpers.hostile_onnx import REFUSED
from tests.helpers.onnx_builders import OUTSIDE
from tests.helpers.pictures import save_picture
from tests.helpers.release_samples import write_release
from tiprdc.errors import DataError, ModelError, TiprdcError
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.records import open_records
from tiprdc.sandbox import runner, validator
from tiprdc.sandbox.runner import Limits

LIMITS = Limits(memory=2**29, seconds=3, output=2**24)
X = np.arange(1, 41, dtype=np.float32).reshape(10, 4) / 2
WEIGHTS = np.ones((4, 3), np.float32).tobytes()
LARGE = "twenty million empty nodes"
"""Only the sandbox's limit on memory stops this one soon."""
SANDBOXED = (LARGE, "external data, memory", "If", "25,001 nodes", "a NaN weight")
"""Refusals that `make test` sends through the sandbox's process too; `make test-full` sends all."""
EXTERNAL = [name for name in REFUSED if name.startswith("external data")]


def test_there_are_at_least_forty_hostile_files() -> None:
    assert len(REFUSED) + len(STOPPED) + len(MANIFESTS) >= 40


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder next to a file that would be valid weights if it were read."""
    outside = tmp_path / "tiprdc-outside"
    outside.write_bytes(WEIGHTS)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "weights.bin").write_bytes(WEIGHTS)
    yield inside
    assert outside.read_bytes() == WEIGHTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "tiprdc-outside"]


def write_model(folder: Path, data: bytes) -> Path:
    """Write the model to the folder; OUTSIDE becomes the path of the file next to the folder."""
    if OUTSIDE.encode() in data:
        model = onnx.ModelProto.FromString(data)
        constants = [a.t for node in model.graph.node for a in node.attribute]
        for tensor in [*model.graph.initializer, *constants]:
            for entry in tensor.external_data:
                entry.value = entry.value.replace(OUTSIDE, str(folder.parent / "tiprdc-outside"))
        data = model.SerializeToString()
    path = folder / "model.onnx"
    path.write_bytes(data)
    return path


def assert_clear_message(error: TiprdcError) -> None:
    """It has place and rule, is short, and has no terminal control codes."""
    text = str(error)
    assert error.where
    assert error.expected
    assert len(text) < 1500
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "Traceback" not in text


@pytest.mark.parametrize("name", [name for name in REFUSED if name != LARGE])
def test_hostile_model_is_refused_by_the_validator(name: str, folder: Path) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ModelError, match=words) as refused:
        validator.inspect_model(write_model(folder, make()).read_bytes(), "model.onnx")
    assert_clear_message(refused.value)


@pytest.mark.parametrize(
    "name", [name if name in SANDBOXED else pytest.param(name, marks=pytest.mark.slow)
             for name in REFUSED]
)  # fmt: skip
def test_hostile_model_is_refused_in_the_sandbox(name: str, folder: Path) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ModelError, match=words) as refused:
        runner.validate(write_model(folder, make()), limits=LIMITS)
    assert_clear_message(refused.value)
    assert not re.search("does not load|crashed", str(refused.value))


@pytest.mark.parametrize("name", STOPPED)
def test_costly_or_invalid_model_is_stopped(name: str, folder: Path) -> None:
    make, words = STOPPED[name]
    with pytest.raises(ModelError, match=words) as refused:
        runner.run(write_model(folder, make()), X, limits=LIMITS)
    assert_clear_message(refused.value)


@pytest.mark.parametrize("name", EXTERNAL)
def test_runtime_does_not_follow_external_data(name: str, folder: Path) -> None:
    """The runtime has no validator; the digest is right, and still nothing is read."""
    make, _ = REFUSED[name]
    data = write_model(folder, make()).read_bytes()
    (folder / "model.onnx").unlink()
    write_release(folder, "table", data=data)
    with pytest.raises(ModelError, match=r"cannot open it|differs from the manifest") as refused:
        Extractor.load(folder)
    assert_clear_message(refused.value)


@pytest.mark.parametrize("name", MANIFESTS)
def test_hostile_manifest_is_refused(name: str, folder: Path) -> None:
    make, words = MANIFESTS[name]
    write_release(folder)
    text = make(json.loads((folder / "manifest.json").read_text()))
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises((DataError, ModelError), match=words) as refused:
        Extractor.load(folder)
    assert_clear_message(refused.value)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
def test_only_ordinary_files_are_opened(name: str, kind: str, folder: Path) -> None:
    write_release(folder)
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(folder.parent / "tiprdc-outside")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises((DataError, ModelError), match=r"link|folder, a device or a pipe"):
        runner.validate(path) if name == "model.onnx" else Extractor.load(folder)


def test_picture_of_200_megapixels_fails_alone(folder: Path) -> None:
    release = write_release(folder)
    bomb = folder / "in" / "bomb.png"
    bomb.parent.mkdir()
    Image.new("1", (14_000, 14_000)).save(bomb)
    save_picture(folder / "in" / "good.png")
    records = open_records(bomb.parent, Extractor.load(release).contract)
    _, rows, failed = records.read(0, 2)
    assert rows.tolist() == [1]
    assert [failure.id for failure in failed.values()] == ["bomb.png"]


def test_environment_is_not_inherited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poisoned module path does not reach the worker."""
    (folder / "numpy.py").write_text("raise SystemExit(7)")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "numpy.py"))
    monkeypatch.chdir(folder)
    make, words = REFUSED["If"]
    with pytest.raises(ModelError, match=words):
        runner.validate(write_model(folder, make()))
