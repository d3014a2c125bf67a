"""Extraction to one file: the same features whether or not the run was killed in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.pictures import save_picture
from tests.helpers.release_samples import FEATURES, overflowing, write_release
from tests.tiprdc.cli.test_main import run
from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.manifest import read_contract
from tiprdc.runtime import extraction
from tiprdc.runtime.extraction import extract
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.feature_files import read_features
from tiprdc.runtime.record_source import RecordSource
from tiprdc.runtime.records import open_records

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _argv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


def write_table(path: Path, rows: int) -> Path:
    lines = [f"r{n},{n},Private,{n % 50}" for n in range(rows)]
    path.write_text("\n".join(["who,age,job,hours", *lines]) + "\n")
    return path


def open_all(folder: Path, rows: int = 100) -> tuple[Extractor, RecordSource]:
    release = write_release(folder / "release", "table")
    contract = read_contract(release / "manifest.json")
    records = open_records(write_table(folder / "in.csv", rows), contract, id_column="who")
    return Extractor.load(release), records


def load(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("batch", [1, 7, 64, 5000])
def test_features_are_in_the_order_of_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(extraction, "RECORDS_PER_PART", 30)
    extractor, records = open_all(tmp_path)
    reports: list[int] = []
    result = extract(extractor, records, tmp_path / "z.npz", batch=batch, report=reports.append)
    assert (result.records, result.failures, result.reused) == (100, (), 0)
    assert reports == sorted(reports)
    assert reports[-1] == 100
    arrays = load(tmp_path / "z.npz")
    assert arrays["ids"].tolist() == [f"r{n}" for n in range(100)]
    assert str(arrays["model_sha256"]) == extractor.contract.model_sha256
    x, _, _ = records.read(0, 100)
    np.testing.assert_allclose(arrays["features"], extractor(x), rtol=1e-5)
    names = {"release", "in.csv", "z.npz"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_parquet_contains_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "RECORDS_PER_PART", 30)
    extractor, records = open_all(tmp_path)
    for name in ("z.npz", "z.parquet"):
        extract(extractor, records, tmp_path / name)
    table, arrays = pq.read_table(tmp_path / "z.parquet"), load(tmp_path / "z.npz")
    assert table["id"].to_pylist() == arrays["ids"].tolist()
    np.testing.assert_array_equal(np.stack(table["features"].to_pylist()), arrays["features"])
    metadata = table.schema.metadata
    assert metadata[b"model_sha256"].decode() == extractor.contract.model_sha256
    assert json.loads(metadata[b"shape"]) == [FEATURES]


def test_output_bytes_are_deterministic(tmp_path: Path) -> None:
    extractor, records = open_all(tmp_path)
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for file in files:
        extract(extractor, records, file)
    assert files[0].read_bytes() == files[1].read_bytes()


class StopError(Exception):
    """Stops a run."""


def stop_after(extractor: Extractor, records: RecordSource, output: Path, limit: int) -> None:
    def report(done: int) -> None:
        if done > limit:
            raise StopError

    with pytest.raises(StopError):
        extract(extractor, records, output, batch=10, report=report)


def test_finished_parts_are_reused_with_the_same_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "RECORDS_PER_PART", 30)
    extractor, records = open_all(tmp_path)
    extract(extractor, records, tmp_path / "whole.npz", batch=10)
    stop_after(extractor, records, tmp_path / "z.npz", 75)
    assert not (tmp_path / "z.npz").exists()
    result = extract(extractor, records, tmp_path / "z.npz", batch=10)
    assert result.reused == 60
    assert (tmp_path / "z.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("other", ["records", "model", "part", "broken", "cut plan"])
def test_parts_of_another_run_are_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.setattr(extraction, "RECORDS_PER_PART", 30)
    extractor, records = open_all(tmp_path)
    stop_after(extractor, records, tmp_path / "z.npz", 75)
    parts = tmp_path / "z.npz.parts"
    if other == "records":
        extractor, records = open_all(tmp_path, rows=101)
    elif other == "model":
        write_release(tmp_path / "other", "table", data=overflowing())
        extractor = Extractor.load(tmp_path / "other")
    elif other == "part":
        monkeypatch.setattr(extraction, "RECORDS_PER_PART", 20)
    elif other == "broken":
        for part in parts.glob("part-*"):
            part.write_bytes(part.read_bytes()[:-40])
    else:
        (parts / "plan.json").write_text("{")
    assert extract(extractor, records, tmp_path / "z.npz").reused == 0
    assert not parts.exists()


def test_foreign_folder_in_place_of_the_parts_is_not_deleted(tmp_path: Path) -> None:
    extractor, records = open_all(tmp_path)
    (tmp_path / "z.npz.parts").mkdir()
    (tmp_path / "z.npz.parts" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is needed for partial results but is in use"):
        extract(extractor, records, tmp_path / "z.npz")
    assert (tmp_path / "z.npz.parts" / "mine.txt").read_text() == "mine"


def test_record_with_infinite_features_is_one_failure(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release", "table", data=overflowing())
    (tmp_path / "in.csv").write_text("age,job,hours\n1,a,2\n1e30,a,2\n3,a,4\n")
    records = open_records(tmp_path / "in.csv", read_contract(release / "manifest.json"))
    result = extract(Extractor.load(release), records, tmp_path / "z.npz")
    assert [(f.id, f.reason) for f in result.failures] == [("2", "its features are not finite")]
    assert load(tmp_path / "z.npz")["ids"].tolist() == ["1", "3"]


def test_invalid_output_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor, records = open_all(tmp_path)
    with pytest.raises(ConfigError, match=r"ends in \.npz or \.parquet"):
        extract(extractor, records, tmp_path / "z.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install pyarrow, or name a \.npz"):
        extract(extractor, records, tmp_path / "z.parquet")


def test_command_lists_and_counts_failed_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_release(tmp_path / "release")
    for n in range(3):
        save_picture(tmp_path / f"{n}.png")
    (tmp_path / "e\x1b[31m.png").write_text("no picture")
    words = ["extract", str(release), str(tmp_path), "-o", str(tmp_path / "out" / "z.npz")]
    code, out, err = run(capsys, *words)
    assert code == 1
    assert out == f"3 records, 5 features each: {tmp_path}/out/z.npz\n"
    assert "e\ufffd[31m.png: not a picture" in err
    assert f"Records without features: 1; {tmp_path}/out/z.npz.failed.csv lists all of them" in err
    assert "\x1b" not in out + err
    listed = (tmp_path / "out" / "z.npz.failed.csv").read_text().splitlines()
    assert listed[0] == "id,reason"
    assert len(listed) == 2

    (tmp_path / "e\x1b[31m.png").unlink()
    code, out, err = run(capsys, *words, "--json")
    assert (code, err.strip()) == (0, "")
    document = json.loads(out)
    assert (document["records"], document["failed"], document["reused"]) == (3, [], 0)
    assert not (tmp_path / "out" / "z.npz.failed.csv").exists()


def test_command_reads_texts_and_names_from_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_release(tmp_path / "release", "text")
    (tmp_path / "in.tsv").write_text("who\tsaid\nann\tThe river is wide\nbob\t\ncy\tA river\n")
    output = tmp_path / "z.npz"
    words = ["extract", str(release), str(tmp_path / "in.tsv"), "-o", str(output)]
    code, _, err = run(capsys, *words, "--column", "said", "--id", "who")
    assert code == 1
    assert "bob: an empty text" in err
    arrays = load(output)
    assert arrays["ids"].tolist() == ["ann", "cy"]
    expected = Extractor.load(release)(["The river is wide", "A river"])
    np.testing.assert_allclose(arrays["features"], expected, rtol=1e-5)


def test_interrupted_command_says_how_to_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(extraction, "extract", stopped)
    release = write_release(tmp_path / "release", "table")
    words = ["extract", str(release), str(write_table(tmp_path / "in.csv", 3)), "-o"]
    code, out, err = run(capsys, *words, str(tmp_path / "z.npz"))
    assert (code, out) == (130, "")
    assert "Run the same command again to resume" in err


def test_invalid_arguments_give_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = str(write_release(tmp_path / "release"))
    output = str(tmp_path / "z.npz")
    code, out, err = run(capsys, "extract", release, str(tmp_path / "nothing"), "-o", output)
    assert (code, out) == (2, "")
    assert "no such file or folder" in err
    assert run(capsys, "extract", release, release, "-o", str(tmp_path / "z.txt"))[0] == 2
    assert run(capsys, "extract", str(tmp_path), release, "-o", output)[0] == 2


@pytest.mark.slow
def test_killed_command_resumes(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release", "table")
    write_table(tmp_path / "in.csv", 60_000)
    command = [
        sys.executable, "-c", "from tiprdc.cli.main import app; app()", "extract", str(release),
        str(tmp_path / "in.csv"), "--batch", "1", "--json", "-o",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, str(tmp_path / "z.npz")], env=environment)
    parts = tmp_path / "z.npz.parts"
    while len(list(parts.glob("part-*.npz"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "z.npz").exists()
    write_table(tmp_path / "in.csv", 60_000)
    process = subprocess.run(
        [*command[:-3], "512", "--json", "-o", str(tmp_path / "z.npz")],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(process.stdout)["reused"] >= 2 * extraction.RECORDS_PER_PART
    assert load(tmp_path / "z.npz")["features"].shape == (60_000, FEATURES)


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_batch_without_a_readable_record_is_named_like_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], modality: str
) -> None:
    release = write_release(tmp_path / "release", modality)
    source = tmp_path / {"image": "in", "text": "in.txt", "table": "in.csv"}[modality]
    if modality == "image":
        source.mkdir()
        for name in ("a.png", "b.png"):
            (source / name).write_text("no picture")
    else:
        lines = {"text": "NA\nNA\n", "table": "age,job,hours\nx,a,1\ny,a,1\n"}
        source.write_text(lines[modality])
    words = ["extract", str(release), str(source), "-o", str(tmp_path / "z.npz")]
    code, _, err = run(capsys, *words, "--batch", "1")
    assert code == 1
    assert "Records without features: 2" in err
    assert load(tmp_path / "z.npz")["features"].shape == (0, FEATURES)


def test_command_imports_no_heavy_library(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release")
    save_picture(tmp_path / "a.png")
    script = (
        "import sys\nfrom tiprdc.cli.main import app\n"
        f"sys.argv = ['tiprdc', 'extract', {str(release)!r}, {str(tmp_path)!r}, '-o',"
        f" {str(tmp_path / 'z.npz')!r}]\n"
        "try:\n    app()\nfinally:\n"
        "    heavy = {'torch', 'pandas', 'onnx', 'scipy', 'pyarrow', 'ray', 'dvc', 'tokenizers',"
        " 'sklearn'}\n"
        "    print(*sorted(heavy & set(sys.modules)))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == ""


def coded() -> onnx.ModelProto:
    """A table's model with three codes: which of age, nothing, and twice the hours is largest."""
    prototypes = np.arange(3 * FEATURES, dtype=np.float32).reshape(3, FEATURES)
    nodes = [
        helper.make_node("Mul", ["x", "factors"], ["scaled"]),
        helper.make_node("ArgMax", ["scaled"], ["code"], axis=1, keepdims=0),
        helper.make_node("Gather", ["prototypes", "code"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes, "coded",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", FEATURES]),
         helper.make_tensor_value_info("code", TensorProto.INT64, ["batch"])],
        [numpy_helper.from_array(prototypes, "prototypes"),
         numpy_helper.from_array(np.array([1, 0, 2], np.float32), "factors")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_codes_are_in_both_kinds_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "RECORDS_PER_PART", 30)
    release = write_release(tmp_path / "release", "table", data=coded().SerializeToString())
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["output"]["codes"] = 3
    (release / "manifest.json").write_text(json.dumps(manifest))
    extractor = Extractor.load(release)
    records = open_records(write_table(tmp_path / "in.csv", 100), extractor.contract)
    x, _, _ = records.read(0, 100)
    expected = extractor.codes(x)
    assert len(set(expected.tolist())) > 1
    for name in ("z.npz", "z.parquet"):
        extract(extractor, records, tmp_path / name, batch=7)
        rows = list(read_features(tmp_path / name, 1000))
        codes = np.concatenate([row.codes for row in rows if row.codes is not None])
        np.testing.assert_array_equal(codes, expected)
        np.testing.assert_array_equal(
            np.concatenate([row.features for row in rows])[:, 0], FEATURES * expected
        )
