"""The generated faces: drawing, independence of attributes, settings."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tiprdc.datasets.avatars.drawing import draw_face
from tiprdc.datasets.avatars.reader import ATTRIBUTES, AvatarsConfig, AvatarsReader, draw_labels
from tiprdc.errors import ConfigError


def default_face() -> dict[str, int]:
    return dict.fromkeys(ATTRIBUTES, 0)


@pytest.mark.parametrize("size", [16, 37, 64])
def test_face_does_not_depend_on_the_slice(size: int) -> None:
    reader = AvatarsReader(AvatarsConfig(people=100, attackers=10, size=size), seed=3)
    records = reader.index().records
    fitted = reader.fit(records)
    whole = reader.read(records.iloc[10:22], fitted).x
    reverse = reader.read(records.iloc[[13, 12]], fitted).x
    np.testing.assert_array_equal(whole[[3, 2]], reverse)
    alone = [reader.read(records.iloc[[row]], fitted).x[0] for row in range(10, 22)]
    np.testing.assert_array_equal(whole, alone)
    assert len({face.tobytes() for face in alone}) == 12


def test_another_process_draws_the_same_face() -> None:
    """Layers that a process drew for earlier people do not change later ones."""
    code = (
        "import sys; from tiprdc.datasets.avatars.drawing import draw_face;"
        "from tiprdc.datasets.avatars.reader import ATTRIBUTES;"
        "face = draw_face(dict.fromkeys(ATTRIBUTES, 1), 5, 77, 32);"
        "sys.stdout.buffer.write(face.tobytes())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    for person in range(70, 77):
        draw_face(default_face(), 5, person, 32)
    face = draw_face(dict.fromkeys(ATTRIBUTES, 1), 5, 77, 32)
    assert result.stdout == face.tobytes()


def test_people_with_equal_attributes_differ() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100, attackers=0), seed=3)
    records = reader.index().records[:2].assign(**default_face())
    first, second = reader.read(records, reader.fit(records)).x.astype(int)
    assert np.abs(first - second).max() > 20


def test_seed_changes_the_people() -> None:
    first, second = (draw_labels(AvatarsConfig(people=100, attackers=0), seed) for seed in (0, 1))
    assert not first.equals(second)


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name != "nose"])
def test_every_attribute_changes_the_image(name: str) -> None:
    faces = [
        draw_face({**default_face(), "zoom": 1, name: value}, 4, 0, 64).astype(int)
        for value in range(len(ATTRIBUTES[name]))
    ]
    assert all(np.abs(face - faces[0]).max() > 20 for face in faces[1:])


def test_attributes_are_independent_and_balanced() -> None:
    labels = draw_labels(AvatarsConfig(people=20_000, attackers=0), seed=0)
    correlations = labels.corr().to_numpy() - np.eye(len(ATTRIBUTES))
    assert np.abs(correlations).max() < 0.035
    for name, classes in ATTRIBUTES.items():
        shares = np.bincount(labels[name]) / len(labels)
        assert np.abs(shares - 1 / len(classes)).max() < 0.02


def test_attackers_change_nothing_for_the_other_people() -> None:
    few, many = (draw_labels(AvatarsConfig(people=200, attackers=n), seed=2) for n in (0, 300))
    assert (len(few), len(many)) == (200, 500)
    pd.testing.assert_frame_equal(few, many[:200])
    assert not many[200:400].reset_index(drop=True).equals(few)


def test_attackers_fix_their_split_alone() -> None:
    index = AvatarsReader(AvatarsConfig(people=150, attackers=50), seed=0).index()
    assert index.split_may_be_empty
    assert index.records["split"].tolist() == [""] * 150 + ["attacker-train"] * 50
    assert index.records["person"].is_unique
    assert index.notes == ("Generated people who are in attacker-train alone: 50.",)


@pytest.mark.parametrize("rho", [-1.0, -0.4, 0.6, 1.0])
def test_planted_correlation_has_the_set_strength(rho: float) -> None:
    config = AvatarsConfig(
        people=20_000, attackers=20_000, correlation=rho, correlate=("glasses", "eyes")
    )
    labels = draw_labels(config, seed=0)
    for part in (labels[:20_000], labels[20_000:]):
        assert part["glasses"].corr(part["eyes"]) == pytest.approx(rho, abs=0.02)
        assert part["eyes"].mean() == pytest.approx(0.5, abs=0.02)


def test_batch_has_shape_and_type_of_the_config() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100, attackers=0, size=48), seed=0)
    records = reader.index().records[:2]
    fitted = reader.fit(records)
    batch = reader.read(records, fitted)
    assert fitted.shape == (3, 48, 48)
    assert batch.x.shape == (2, 3, 48, 48)
    assert batch.x.dtype == np.uint8
    assert batch.readable.all()
    assert pd.api.types.is_string_dtype(records["person"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ("skin_ton",)}, "did you mean 'skin_tone'"),
        ({"private": ()}, "prepare.avatars.private: empty\n  expected: at least one"),
        ({"people": 99}, "100 to 10000000"),
        ({"attackers": -1}, "0 to 10000000"),
        ({"size": 8}, "16 to 256"),
        ({"correlation": 1.5}, "-1 to 1"),
        ({"correlate": ("glasses", "glasses")}, "two different attributes"),
        ({"correlate": ("glasses", "hair_tone")}, "two different attributes of two classes"),
    ],
)
def test_invalid_settings_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=r"^prepare\.avatars") as error:
        AvatarsConfig(**change)
    assert words in str(error.value)
