from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.shards import make_shards
from tiprdc.datasets.schema import SPLITS, read_split
from tiprdc.datasets.summary import summary_lines


@pytest.mark.parametrize("modality", ["image", "table", "text", "audio"])
def test_records_people_and_classes_are_named_with_their_numbers(
    modality: str, tmp_path: Path
) -> None:
    schema = make_shards(tmp_path, modality, people=40)
    parts = {name: read_split(tmp_path, schema, name) for name in SPLITS}
    records = pd.concat(
        pd.DataFrame({"person": part.person, **part.labels}) for part in parts.values()
    )
    test = np.repeat([name == "attacker-test" for name in SPLITS], list(map(len, parts.values())))
    first, split, *attributes = summary_lines(schema, records, test)
    people = sum(schema.people.values())
    assert f"{len(records):,} records of {people:,} people" in first
    assert f"attacker-test {schema.people['attacker-test']:,}" in split
    private = schema.private[0]
    tested = records[test].drop_duplicates(["person", private])[private]
    rarest = min(np.bincount(tested, minlength=schema.classes(private)))
    assert f"in attacker-test {rarest} of the rarest" in attributes[0]
    assert all(one in attributes[0] for one in schema.attribute(private).classes)
    assert len(attributes) == len(schema.private) + len(schema.utility)
