from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.cluster.connect import ClusterConfig
from pipelines.preparation import sharding
from pipelines.preparation.sharding import prepare
from tests.tiprdc.datasets.test_shard_plan import EXAMPLE, faces
from tiprdc.datasets.schema import SPLITS, Records, encode_shard, read_schema, read_split
from tiprdc.datasets.shard_plan import Plan, make_plan
from tiprdc.datasets.shard_writing import Encoded
from tiprdc.errors import DataError


def test_refused_data_set_leaves_the_old_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Ray: too many unreadable records are counted after the shards were written."""
    out = tmp_path / "artifacts" / "shards"
    out.mkdir(parents=True)
    (out / "schema.json").write_text("old")

    def encode_none(plan: Plan, monitor: Any) -> list[tuple[str, Encoded]]:
        return [("part", (b"new", dict.fromkeys(range(len(plan.records)), "no such file")))]

    monkeypatch.setattr(sharding, "connect", lambda _: nullcontext())
    monkeypatch.setattr(sharding, "_encoded", encode_none)
    with pytest.raises(DataError, match="240 of 240 records"):
        prepare(EXAMPLE, ClusterConfig(log=""), out=out)
    assert [path.name for path in tmp_path.rglob("*")] == ["artifacts", "shards", "schema.json"]


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_shards_equal_those_of_a_single_process(tmp_path: Path) -> None:
    config = faces(tmp_path / "faces", broken=2)
    written = prepare(config, ClusterConfig(log=""), out=tmp_path / "shards")
    plan = make_plan(config)
    for file, start, stop in plan.shards:
        rows = plan.records.iloc[start:stop]
        batch = plan.reader.read(rows, plan.fitted)
        readable = rows[batch.readable]
        records = Records(
            x=batch.x[batch.readable],
            labels={"gender": readable["gender"].to_numpy()},
            person=readable["person"].to_numpy(dtype=np.str_),
        )
        assert (tmp_path / "shards" / file).read_bytes() == encode_shard(records)
    schema = read_schema(tmp_path / "shards")
    assert schema == written
    assert schema.unreadable == 2
    listed = (tmp_path / "shards" / "left_out.csv").read_text().splitlines()
    assert sorted(listed) == [
        "000.png,a broken picture",
        "001.png,a broken picture",
        "record,reason",
    ]
    assert sum(schema.records.values()) == sum(schema.people.values()) == 238
    assert [len(read_split(tmp_path / "shards", schema, s)) for s in SPLITS] == [
        schema.records[s] for s in SPLITS
    ]

    worse = faces(tmp_path / "worse", broken=5)
    with pytest.raises(DataError, match=r"5 of 240 records(.|\n)*prepare\.max_unreadable"):
        prepare(worse, ClusterConfig(log=""), out=tmp_path / "shards")
    assert read_schema(tmp_path / "shards") == schema
