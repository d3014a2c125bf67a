"""A release of our own can be audited like anybody's file: its manifest.json says how to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.recordings import write_tone
from tests.helpers.release_samples import weights, write_release
from tiprdc.audit.foreign.inputs import load_evidence
from tiprdc.audit.foreign.request import AuditRequest

PEOPLE = 300
RNG = np.random.default_rng(0)
COLUMNS = {
    "table": {
        "hours": RNG.integers(10, 60, PEOPLE), "age": RNG.integers(20, 60, PEOPLE),
        "job": RNG.choice(["Private", "State-gov"], PEOPLE),
    },
    "text": {"text": RNG.choice(["the river", "a wide river", "deep"], PEOPLE)},
    "image": {"image": [f"{n}.png" for n in range(PEOPLE)]},
    "audio": {"audio": [f"{n}.wav" for n in range(PEOPLE)]},
}  # fmt: skip


@pytest.mark.parametrize("modality", COLUMNS)
def test_features_are_those_of_the_release(tmp_path: Path, modality: str) -> None:
    release = write_release(tmp_path / "release", modality)
    table = pd.DataFrame({"sex": np.arange(PEOPLE) % 2, **COLUMNS[modality]})
    table.to_csv(tmp_path / "people.csv", index=False)
    if modality == "image":
        for name, pixels in zip(table["image"], RNG.integers(256, size=(PEOPLE, 8, 8, 3)),
                                strict=True):  # fmt: skip
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
    if modality == "audio":
        for number, name in enumerate(table["audio"]):
            write_tone(tmp_path / name, hertz=300 + number, seconds=0.2)
    (evidence,) = load_evidence(
        AuditRequest(
            models=(release / "extractor.onnx",), data=tmp_path / "people.csv", private=("sex",)
        )
    )
    assert evidence.schema.modality == modality
    if modality == "table":
        assert [column.name for column in evidence.schema.columns] == ["age", "job", "hours"]
    x, model = evidence.train.x, evidence.models["released"]
    expected = x.reshape(len(x), -1).astype(np.float32) @ weights(modality)
    np.testing.assert_allclose(model.features(x), expected, rtol=1e-3, atol=1e-2)
    model.check_batches(x[:32])
