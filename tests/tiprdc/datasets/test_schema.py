"""Shards on disk: written, read back, and refused where they are broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tiprdc.datasets.schema import (
    Attribute,
    Column,
    Records,
    Schema,
    encode_shard,
    read_labels,
    read_schema,
    read_split,
    write_schema,
    write_shard,
)
from tiprdc.errors import DataError

SCHEMA = Schema(
    dataset="manifest",
    modality="table",
    shape=(2,),
    attributes=(Attribute(name="gender", classes=("f", "m")),),
    private=("gender",),
    utility=(),
    columns=(Column(name="age", mean=1.5), Column(name="town", categories=("x",))),
    people={"extractor-train": 3},
    records={"extractor-train": 3},
    notes=("a note",),
)


def make_records(first: int = 0) -> Records:
    x = np.arange(6, dtype=np.float32).reshape(3, 2) + first
    return Records(x=x, labels={"gender": np.array([0, 1, 0])}, person=np.array(["a", "b", "ü"]))


def test_shards_and_schema_round_trip(tmp_path: Path) -> None:
    for number in (1, 0):
        write_shard(tmp_path / f"extractor-train/part-0000{number}.parquet", make_records(number))
    complete = write_schema(tmp_path, SCHEMA, ["one", "two"])
    schema = read_schema(tmp_path)
    assert schema == complete
    records = read_split(tmp_path, schema, "extractor-train")
    assert len(records) == 6
    np.testing.assert_array_equal(records.x[:3], make_records().x)
    np.testing.assert_array_equal(records.x[3:], make_records(1).x)
    few = [len(read_split(tmp_path, schema, "extractor-train", fewest=n)) for n in (1, 3, 4, 99)]
    assert few == [3, 3, 6, 6]
    assert records.labels["gender"].tolist() == [0, 1, 0] * 2
    assert records.person.tolist() == ["a", "b", "ü"] * 2
    assert records.take(np.array([2])).person.tolist() == ["ü"]
    labels, person = read_labels(tmp_path, schema, "extractor-train")
    assert labels["gender"].tolist() == [0, 1, 0] * 2
    assert person.tolist() == records.person.tolist()


def test_bytes_depend_on_the_records_alone() -> None:
    assert encode_shard(make_records()) == encode_shard(make_records())
    assert encode_shard(make_records()) != encode_shard(make_records(1))


def test_digest_depends_on_every_shard_but_not_on_their_order(tmp_path: Path) -> None:
    digests = [write_schema(tmp_path, SCHEMA, names).digest for names in ("ab", "ba", "ac")]
    assert digests[0] == digests[1] != digests[2]


def test_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `dvc repro prepare` first"):
        read_schema(tmp_path)
    with pytest.raises(DataError, match="no shards"):
        read_split(tmp_path, SCHEMA, "attacker-test")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"attributes": [], "columns": [], "x": 1}'])
def test_invalid_schema_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(DataError, match="not a schema"):
        read_schema(tmp_path)


def test_broken_shard_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "attacker-test/part-00000.parquet"
    write_shard(path, make_records())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="a broken shard"):
        read_split(tmp_path, SCHEMA, "attacker-test")


def test_unknown_attribute_is_refused() -> None:
    assert SCHEMA.classes("gender") == 2
    with pytest.raises(DataError, match=r"did you mean 'gender'"):
        SCHEMA.attribute("gendre")
