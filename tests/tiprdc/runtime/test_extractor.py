"""A release on a device: its files are those of the manifest, its features those of the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from tests.conftest import MakeShards
from tests.helpers.release_samples import (
    FEATURES,
    SHAPES,
    TEXTS,
    overflowing,
    weights,
    write_release,
)
from tiprdc.datasets.images import read_image
from tiprdc.datasets.schema import Column
from tiprdc.datasets.tables.columns import encode_column
from tiprdc.errors import DataError, ModelError
from tiprdc.formats.manifest import InputColumn
from tiprdc.runtime.columns import encode_columns
from tiprdc.runtime.extractor import Extractor


def make_images(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPES["image"]), dtype=np.uint8)


def test_images_give_the_features_of_the_model(tmp_path: Path) -> None:
    extractor = Extractor.load(write_release(tmp_path))
    x = make_images(9)
    z = extractor(x)
    assert z.shape == (9, FEATURES)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, x.reshape(9, -1) @ weights("image"), rtol=1e-4, atol=0.1)
    assert extractor(x[:0]).shape == (0, FEATURES)


def test_files_are_read_as_preparation_reads_them(tmp_path: Path) -> None:
    manifest = write_release(tmp_path / "release") / "manifest.json"
    described = json.loads(manifest.read_text())
    described["input"]["decoding"]["background"] = "#000000"
    manifest.write_text(json.dumps(described))
    extractor = Extractor.load(tmp_path / "release")
    image = Image.new("RGBA", (30, 20), (200, 0, 0, 0))
    image.paste((90, 120, 150, 255), (5, 5, 20, 15))
    image.save(tmp_path / "a.png")
    x = extractor.read(tmp_path / "a.png", str(tmp_path / "a.png"))
    np.testing.assert_array_equal(x[0], read_image(tmp_path / "a.png", 8, "#000000"))
    assert extractor(x).shape == (2, FEATURES)
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(DataError, match=r"b\.png: not a picture"):
        extractor.read(tmp_path / "b.png")
    with pytest.raises(DataError, match="the release takes table, not pictures"):
        Extractor.load(write_release(tmp_path / "table", "table")).read(tmp_path / "a.png")


@pytest.mark.parametrize("threads", [1, 2])
def test_features_do_not_depend_on_the_batch(tmp_path: Path, threads: int) -> None:
    extractor = Extractor.load(str(write_release(tmp_path)), threads=threads)
    x = make_images(17)
    one_by_one = np.concatenate([extractor(x[n : n + 1]) for n in range(17)])
    np.testing.assert_allclose(extractor(x), one_by_one, rtol=1e-5, atol=1e-2)


def test_table_columns_are_encoded(tmp_path: Path) -> None:
    extractor = Extractor.load(write_release(tmp_path, "table"))
    table = {
        "extra": ["a", "b", "c", "d"],
        "hours": ["20", None, "NA", "1e1"],
        "age": [30, float("nan"), "  ", "41.5"],
        "job": ["State-gov", "Private", "never seen", ""],
    }
    x = extractor.encode(table)
    expected = [[30, 1, 20], [38.5, 0, 40], [38.5, 2, 40], [41.5, 2, 10]]
    np.testing.assert_array_equal(x, np.array(expected, np.float32))
    np.testing.assert_allclose(extractor(table), x @ weights("table"), rtol=1e-5)


def test_device_and_prepare_encode_columns_alike() -> None:
    """`prepare` parses with pandas, devices without; both must give the same numbers."""
    import pandas as pd

    values: list[str | None] = ["3", "-1e3", "0.25", None, "7"]
    words: list[str | None] = ["a", "b", "zebra", None, "a"]
    columns = (
        Column(name="n", mean=2.5),
        Column(name="c", categories=("a", "b")),
    )
    table = {"n": values, "c": words}
    trained = [encode_column(c, pd.Series(table[c.name], dtype=str)) for c in columns]
    device = [InputColumn(name=c.name, categories=c.categories, mean=c.mean) for c in columns]
    x, invalid = encode_columns(device, table)
    assert invalid == {}
    np.testing.assert_array_equal(x, np.stack(trained, axis=1))


@pytest.mark.parametrize("value", ["forty", "1_000", "inf", "-1e999", "0x10"])
def test_invalid_number_is_refused_without_its_text(tmp_path: Path, value: str) -> None:
    extractor = Extractor.load(write_release(tmp_path, "table"))
    with pytest.raises(DataError, match="'age' of row 1 is not a number") as error:
        extractor({"age": ["1", value], "job": ["", ""], "hours": ["", ""]})
    assert value not in str(error.value)


def test_texts_become_tokens_of_the_release(tmp_path: Path) -> None:
    extractor = Extractor.load(write_release(tmp_path, "text"))
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ids = np.array([one.ids for one in tokenizer.encode_batch(TEXTS)], np.int32)
    np.testing.assert_array_equal(extractor.encode(TEXTS), ids)
    np.testing.assert_array_equal(extractor(TEXTS), extractor(ids))
    assert extractor([]).shape == (0, FEATURES)


def test_missing_tokenizers_package_is_refused_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_release(tmp_path, "text")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="hint: pip install tokenizers"):
        Extractor.load(tmp_path)


def test_batch_that_does_not_fit_the_contract_is_refused(tmp_path: Path) -> None:
    extractor = Extractor.load(write_release(tmp_path))
    with pytest.raises(DataError, match=r"float64 .*\n  expected: uint8 \[B, 3, 8, 8\]"):
        extractor(np.zeros((1, 3, 8, 8)))
    with pytest.raises(DataError, match="uint8"):
        extractor(np.zeros((1, 3, 9, 8), np.uint8))
    with pytest.raises(DataError, match="an array, for image"):
        extractor(["a text"])
    with pytest.raises(DataError, match="an array, for image"):
        extractor({"age": [1]})
    table = Extractor.load(write_release(tmp_path / "table", "table"))
    with pytest.raises(DataError, match=r"no column 'job'\n.*\n  hint: did you mean 'jobs'"):
        table({"age": [1], "jobs": ["a"], "hours": [1]})
    with pytest.raises(DataError, match="different lengths"):
        table({"age": [1], "job": ["a", "b"], "hours": [1]})


@pytest.mark.parametrize("name", ["extractor.onnx", "tokenizer.json"])
@pytest.mark.parametrize("harm", ["flipped", "shorter", "gone", "link"])
def test_changed_file_is_refused(tmp_path: Path, name: str, harm: str) -> None:
    file = write_release(tmp_path / "release", "text") / name
    data = bytearray(file.read_bytes())
    if harm == "flipped":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif harm == "shorter":
        file.write_bytes(data[:-1])
    elif harm == "gone":
        file.unlink()
    else:
        (tmp_path / "elsewhere").write_bytes(data)
        file.unlink()
        file.symlink_to(tmp_path / "elsewhere")
    words = {"flipped": "sha256", "shorter": "bytes", "gone": "no such file", "link": "link"}
    with pytest.raises(ModelError, match=words[harm]):
        Extractor.load(tmp_path / "release")


@pytest.mark.parametrize("what", ["input", "output"])
def test_model_that_differs_from_the_manifest_is_refused(tmp_path: Path, what: str) -> None:
    write_release(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest[what]["shape"][-1] += 1
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="differs from the manifest"):
        Extractor.load(tmp_path)


def test_infinite_features_are_refused(tmp_path: Path) -> None:
    extractor = Extractor.load(write_release(tmp_path, "table", data=overflowing()))
    assert np.isfinite(extractor(np.ones((1, 3), np.float32))).all()
    with pytest.raises(ModelError, match="not finite"):
        extractor(np.full((1, 3), 1e30, np.float32))


@pytest.mark.parametrize("modality", ["image", "table", "text", "audio"])
def test_exported_release_opens(tmp_path: Path, make_shards: MakeShards, modality: str) -> None:
    from tests.tiprdc.export.test_onnx_export import TOKENIZER, save_checkpoints
    from tiprdc.datasets.schema import read_split
    from tiprdc.export.build import build
    from tiprdc.export.onnx_export import ExportConfig

    shards, release = tmp_path / "shards", tmp_path / "release"
    schema = make_shards(shards, modality)
    (shards / "tokenizer.json").write_text(
        (write_release(tmp_path / "text", "text") / "tokenizer.json").read_text()
        if modality == "text" else TOKENIZER
    )  # fmt: skip
    save_checkpoints(tmp_path / "ck", schema)
    build(
        ExportConfig(parity_records=10), shards=shards, checkpoint=tmp_path / "ck",
        release=release, unprotected=tmp_path / "unprotected",
    )  # fmt: skip
    x = read_split(shards, schema, "attacker-test").x[:5]
    assert Extractor.load(release)(x).shape == (5, 6)
