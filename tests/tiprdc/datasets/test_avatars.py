"""The generated faces: drawing, independence of attributes, settings."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
import python_avatars as pa
from PIL import Image
from resvg_py import svg_to_bytes

from tiprdc.datasets.avatar_drawing import draw_face
from tiprdc.datasets.avatar_layers import EXTENT, LEFT, compose
from tiprdc.datasets.avatar_parts import CHOICES, choose_parts
from tiprdc.datasets.avatars import ATTRIBUTES, AvatarsConfig, AvatarsReader, draw_labels
from tiprdc.errors import ConfigError


def default_face() -> dict[str, int]:
    return dict.fromkeys(ATTRIBUTES, 0)


def test_face_does_not_depend_on_the_slice() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100, attackers=0), seed=3)
    records = reader.index().records
    fitted = reader.fit(records)
    whole = reader.read(records.iloc[10:14], fitted).x
    reverse = reader.read(records.iloc[[13, 12]], fitted).x
    np.testing.assert_array_equal(whole[[3, 2]], reverse)


def test_people_with_equal_attributes_differ() -> None:
    reader = AvatarsReader(AvatarsConfig(people=100, attackers=0), seed=3)
    records = reader.index().records[:2].assign(**default_face())
    first, second = reader.read(records, reader.fit(records)).x.astype(int)
    assert np.abs(first - second).max() > 20


def test_seed_changes_the_people() -> None:
    first, second = (draw_labels(AvatarsConfig(people=100, attackers=0), seed) for seed in (0, 1))
    assert not first.equals(second)


def test_layers_on_each_other_equal_the_drawing_of_the_library() -> None:
    """Composed layers against the whole SVG, rasterised at once."""
    reader = AvatarsReader(AvatarsConfig(people=100, attackers=0), seed=0)
    pixels, differences = 280, []
    for row in reader.index().records[:12][list(ATTRIBUTES)].to_dict("records"):
        labels = {str(name): int(value) for name, value in row.items()}
        parts = choose_parts(labels, [0.4] * CHOICES)
        avatar = pa.Avatar(style=pa.AvatarStyle.TRANSPARENT, **parts).render()
        svg = re.sub(r'width="264px" height="280px"', "", str(avatar))
        svg = svg.replace('viewBox="0 0 264 280"', f'viewBox="{LEFT} 0 {EXTENT} {EXTENT}"')
        png = svg_to_bytes(svg_string=svg, width=pixels, height=pixels, skip_system_fonts=True)
        whole = Image.new("RGBA", (pixels, pixels), (120, 130, 140, 255))
        whole.alpha_composite(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))
        composed = compose(parts, (120, 130, 140), pixels)
        difference = np.abs(np.asarray(whole)[..., :3].astype(int) - composed.astype(int))
        differences.append(float((difference > 16).any(-1).mean()))
    assert max(differences) < 0.01


def test_further_attackers_change_nobody_else() -> None:
    few, many = (
        AvatarsReader(AvatarsConfig(people=100, attackers=n), seed=3).index().records
        for n in (0, 40)
    )
    assert len(many) == 140
    assert (many["split"][100:] == "attacker-train").all()
    assert (many["split"][:100] == "").all()
    pd.testing.assert_frame_equal(few, many[:100])


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


@pytest.mark.parametrize("rho", [-1.0, -0.4, 0.6, 1.0])
def test_planted_correlation_has_the_set_strength(rho: float) -> None:
    config = AvatarsConfig(
        people=20_000, attackers=0, correlation=rho, correlate=("glasses", "eyes")
    )
    labels = draw_labels(config, seed=0)
    assert labels["glasses"].corr(labels["eyes"]) == pytest.approx(rho, abs=0.02)
    assert labels["eyes"].mean() == pytest.approx(0.5, abs=0.02)


def test_batch_has_shape_and_type_of_the_config() -> None:
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
def test_invalid_settings_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=r"^prepare\.avatars") as error:
        AvatarsConfig(**change)
    assert words in str(error.value)
