from __future__ import annotations

from enum import Enum

import numpy as np
import pandas as pd
import pytest
import python_avatars as pa

from tiprdc.datasets import avatars
from tiprdc.datasets.avatars import ATTRIBUTES, AvatarsConfig, AvatarsReader, draw, draw_labels
from tiprdc.errors import ConfigError


def any_face() -> dict[str, int]:
    return dict.fromkeys(ATTRIBUTES, 0)


def test_a_person_looks_the_same_in_any_slice() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100), seed=3)
    records = reader.index().records
    fitted = reader.fit(records)
    whole = reader.read(records.iloc[10:14], fitted).x
    backwards = reader.read(records.iloc[[13, 12]], fitted).x
    np.testing.assert_array_equal(whole[[3, 2]], backwards)


def test_people_alike_in_every_attribute_still_differ() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100), seed=3)
    records = reader.index().records[:2].assign(**any_face())
    first, second = reader.read(records, reader.fit(records)).x.astype(int)
    assert np.abs(first - second).max() > 20


def test_another_seed_gives_other_people() -> None:
    first, second = (draw_labels(AvatarsConfig(people=100), seed) for seed in (0, 1))
    assert not first.equals(second)


def test_remembered_pieces_give_the_drawing_of_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compose, seen = avatars._compose, []

    def compare(parts: dict[str, Enum]) -> str:
        seen.append(compose(parts) == pa.Avatar(style=pa.AvatarStyle.TRANSPARENT, **parts).render())
        return compose(parts)

    monkeypatch.setattr(avatars, "_compose", compare)
    reader = AvatarsReader(AvatarsConfig(people=100), seed=0)
    records = reader.index().records[:30]
    reader.read(records, reader.fit(records))
    assert seen == [True] * 30


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name != "nose"])
def test_every_attribute_shows_in_the_picture(name: str) -> None:
    faces = [
        draw({**any_face(), "zoom": 1, name: value}, np.random.default_rng(4), 64).astype(int)
        for value in range(len(ATTRIBUTES[name]))
    ]
    assert all(np.abs(face - faces[0]).max() > 20 for face in faces[1:])


def test_attributes_are_independent_and_balanced() -> None:
    labels = draw_labels(AvatarsConfig(people=20_000), seed=0)
    correlations = labels.corr().to_numpy() - np.eye(len(ATTRIBUTES))
    assert np.abs(correlations).max() < 0.035
    for name, classes in ATTRIBUTES.items():
        shares = np.bincount(labels[name]) / len(labels)
        assert np.abs(shares - 1 / len(classes)).max() < 0.02


@pytest.mark.parametrize("rho", [-1.0, -0.4, 0.6, 1.0])
def test_a_planted_correlation_is_there(rho: float) -> None:
    config = AvatarsConfig(people=20_000, correlation=rho, correlate=("glasses", "eyes"))
    labels = draw_labels(config, seed=0)
    assert labels["glasses"].corr(labels["eyes"]) == pytest.approx(rho, abs=0.02)
    assert labels["eyes"].mean() == pytest.approx(0.5, abs=0.02)


def test_shape_and_type() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100, size=48), seed=0)
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
        ({"size": 8}, "16 to 256"),
        ({"correlation": 1.5}, "-1 to 1"),
        ({"correlate": ("glasses", "glasses")}, "two different attributes"),
        ({"correlate": ("glasses", "hair_tone")}, "two different attributes of two classes"),
    ],
)
def test_wrong_settings(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=r"^prepare\.avatars") as refusal:
        AvatarsConfig(**change)
    assert words in str(refusal.value)
