"""Layers of a face on top of each other give the drawing of the library."""

from __future__ import annotations

import io
from enum import Enum

import numpy as np
import pytest
import python_avatars as pa
from numpy.typing import NDArray
from PIL import Image
from resvg_py import svg_to_bytes

from tiprdc.datasets.avatars import layers as avatar_layers
from tiprdc.datasets.avatars.layers import EXTENT, LEFT, TOP, compose
from tiprdc.datasets.avatars.parts import CHOICES, choose_parts
from tiprdc.datasets.avatars.reader import ATTRIBUTES

BACKGROUND = (200, 230, 190)
PIXELS = 72


def drawing(parts: dict[str, Enum]) -> NDArray[np.float64]:
    """The whole drawing of the library, rasterised at once."""
    svg = pa.Avatar(style=pa.AvatarStyle.TRANSPARENT, **parts).render()
    svg = svg.replace('width="264px" height="280px"', "").replace(
        'viewBox="0 0 264 280"', f'viewBox="{LEFT} {TOP} {EXTENT} {EXTENT}"'
    )
    png = svg_to_bytes(svg_string=svg, width=PIXELS, height=PIXELS, skip_system_fonts=True)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    behind = Image.new("RGBA", image.size, BACKGROUND)
    return np.asarray(Image.alpha_composite(behind, image).convert("RGB")).astype(float)


def random_parts(seed: int) -> dict[str, Enum]:
    rng = np.random.default_rng(seed)
    labels = {name: int(rng.integers(len(classes))) for name, classes in ATTRIBUTES.items()}
    return choose_parts(labels, rng.random(CHOICES).tolist())


@pytest.mark.parametrize("seed", range(12))
def test_layers_equal_the_drawing_of_the_library(seed: int) -> None:
    parts = random_parts(seed)
    difference = np.abs(compose(parts, BACKGROUND, PIXELS) - drawing(parts))
    assert difference.mean() < 0.5
    assert difference.max() < 12


@pytest.mark.parametrize("top", [pa.HairType.DREADS, pa.HairType.BIG_HAIR])
def test_beard_is_under_dreads_and_over_big_hair(
    top: Enum, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {**random_parts(0), "top": top, "facial_hair": pa.FacialHairType.BEARD_MAGESTIC}
    whole = drawing(parts)
    right = np.abs(compose(parts, BACKGROUND, PIXELS) - whole).max()
    covers = avatar_layers._beard_covers_hair(top)
    assert covers == (top is pa.HairType.BIG_HAIR)
    monkeypatch.setattr(avatar_layers, "_beard_covers_hair", lambda _: not covers)
    assert np.abs(compose(parts, BACKGROUND, PIXELS) - whole).max() > 3 * right


def test_every_color_of_a_layer_comes_from_two_rasters() -> None:
    parts = random_parts(1)
    for color in pa.HairColor.BLACK, pa.HairColor.PASTEL_PINK, pa.HairColor.BLONDE_GOLDEN:
        changed = {**parts, "hair_color": color}
        difference = compose(changed, BACKGROUND, PIXELS) - drawing(changed)
        assert np.abs(difference).mean() < 0.5


def test_no_part_reaches_beyond_the_drawing() -> None:
    """What is outside of the drawing is background, whatever the pose."""
    for seed in range(20):
        face = compose(random_parts(seed), BACKGROUND, PIXELS)
        border = np.concatenate([face[0], face[:, 0], face[:, -1]])
        assert (border == BACKGROUND).all()
