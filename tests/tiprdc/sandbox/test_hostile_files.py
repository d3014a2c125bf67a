"""Every hostile ONNX file is refused in words; none opens a file, none crashes the caller."""

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

from tests.helpers.hostile_onnx import MANIFESTS, OUTSIDE, REFUSED, STOPPED
from tests.helpers.release_samples import write_release
from tiprdc.errors import DataError, ModelError, TiprdcError
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.records import open_records
from tiprdc.sandbox import runner
from tiprdc.sandbox.runner import Limits

LIMITS = Limits(memory=2**29, seconds=3, output=2**24)
X = np.arange(1, 41, dtype=np.float32).reshape(10, 4) / 2
WEIGHTS = np.ones((4, 3), np.float32).tobytes()
EXTERNAL = [name for name in REFUSED if name.startswith("external data")]


def test_there_are_enough_of_them() -> None:
    assert len(REFUSED) + len(STOPPED) + len(MANIFESTS) >= 40


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder beside a file that would serve as weights, if anybody read it."""
    outside = tmp_path / "tiprdc-outside"
    outside.write_bytes(WEIGHTS)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "weights.bin").write_bytes(WEIGHTS)
    yield inside
    assert outside.read_bytes() == WEIGHTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "tiprdc-outside"]


def put(folder: Path, data: bytes) -> Path:
    """The model in the folder; where it means OUTSIDE it names the file beside the folder."""
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


def refused_well(error: TiprdcError) -> None:
    """Where, what, the rule; short, and nothing that could rewrite a terminal."""
    text = str(error)
    assert error.where
    assert error.expected
    assert len(text) < 1500
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "Traceback" not in text


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_model_is_refused_before_onnxruntime_sees_it(name: str, folder: Path) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ModelError, match=words) as refused:
        runner.validate(put(folder, make()), limits=LIMITS)
    refused_well(refused.value)
    assert not re.search("does not load|crashed", str(refused.value))


@pytest.mark.parametrize("name", STOPPED)
def test_a_model_that_only_looks_harmless_is_stopped(name: str, folder: Path) -> None:
    make, words = STOPPED[name]
    with pytest.raises(ModelError, match=words) as refused:
        runner.run(put(folder, make()), X, limits=LIMITS)
    refused_well(refused.value)


@pytest.mark.parametrize("name", EXTERNAL)
def test_a_device_does_not_follow_external_data_either(name: str, folder: Path) -> None:
    """There is no inspection on a device; the digest is right, and still nothing is read."""
    make, _ = REFUSED[name]
    data = put(folder, make()).read_bytes()
    (folder / "model.onnx").unlink()
    write_release(folder, "table", data=data)
    with pytest.raises(ModelError, match=r"does not open it|something else") as refused:
        Extractor.load(folder)
    refused_well(refused.value)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_hostile_manifest_is_refused(name: str, folder: Path) -> None:
    make, words = MANIFESTS[name]
    write_release(folder)
    text = make(json.loads((folder / "manifest.json").read_text()))
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises((DataError, ModelError), match=words) as refused:
        Extractor.load(folder)
    refused_well(refused.value)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
def test_what_is_no_ordinary_file_is_not_opened(name: str, kind: str, folder: Path) -> None:
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


def test_a_picture_that_unpacks_to_200_megapixels_is_one_failure(folder: Path) -> None:
    release = write_release(folder)
    bomb = folder / "in" / "bomb.png"
    bomb.parent.mkdir()
    Image.new("1", (14_000, 14_000)).save(bomb)
    Image.new("RGB", (9, 9)).save(folder / "in" / "good.png")
    found = open_records(bomb.parent, Extractor.load(release).contract)
    _, kept, failed = found.read(0, 2)
    assert kept.tolist() == [1]
    assert [failure.id for failure in failed.values()] == ["bomb.png"]


def test_the_environment_is_not_inherited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poisoned module path or preload of ours reaches nobody in there."""
    (folder / "numpy.py").write_text("raise SystemExit(7)")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "numpy.py"))
    monkeypatch.chdir(folder)
    make, words = REFUSED["If"]
    with pytest.raises(ModelError, match=words):
        runner.validate(put(folder, make()))
