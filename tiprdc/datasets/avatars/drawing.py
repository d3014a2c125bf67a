"""Draws an avatar face as pixels from its attribute classes and a seed.

The layers of the face are laid on a coloured background, rotated, scaled and shifted in one step,
and changed as a camera would change them: lighting, saturation, focus, grain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.special import ndtri

from tiprdc.datasets.avatars.layers import EXTENT, LEFT, TOP, compose
from tiprdc.datasets.avatars.parts import CHOICES, choose_parts

_MIDDLE = (132, 140)
"""Where faces are rotated about, in units of the drawing."""
_MEAN_VIEW = 192
"""Mean width of the part of the drawing that is in a picture, in units of the drawing."""
_MOST_PIXELS = 360
"""Largest width of the drawing in pixels: it bounds the memory of the layers."""
_GRAIN = 8.0
"""Standard deviation of the grain, of 255."""
_GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601."""


def draw_face(labels: Mapping[str, int], seed: int, person: int, size: int) -> NDArray[np.uint8]:
    """Draw the face of one person.

    Args:
        labels: Attribute -> class number, for all of `avatars.ATTRIBUTES`.
        seed: With the number of the person, decides everything that the attributes leave open.
        person: Number of the person.
        size: Height and width in pixels.

    Returns:
        RGB pixels `[3, size, size]`.
    """
    # A generator with a key is at hand at once; hashing a seed takes longer than a layer.
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, person], dtype=np.uint64)))
    chance = rng.random(CHOICES + 9).tolist()
    parts = choose_parts(labels, chance[:CHOICES])
    background = _background(labels, chance[CHOICES : CHOICES + 3])
    pixels = min(_MOST_PIXELS, round(EXTENT * size * math.sqrt(3) / _MEAN_VIEW))
    drawing = Image.fromarray(compose(parts, background, pixels))
    # Bilinear interpolation at one point of each pixel. Pixels of the drawing are sqrt(3) times
    # smaller than those of the result: then a pixel of the drawing (a box) and the interpolation
    # (a tent) blur as much as the mean over a pixel of the result does (equal variance).
    image = drawing.transform(
        (size, size),
        Image.Transform.AFFINE,
        _pose(labels, chance[CHOICES + 3 : CHOICES + 7], pixels, size),
        resample=Image.Resampling.BILINEAR,
        fillcolor=background,
    )
    image = image.convert("RGB", _light(labels, chance[CHOICES + 7 :]))
    if labels["focus"]:
        image = image.filter(ImageFilter.GaussianBlur(size / 64))
    face = np.asarray(image)
    if labels["grain"]:
        noise = _grain()[rng.integers(0, 65536, size=face.shape, dtype=np.uint16)]
        noise += face
        face = noise.clip(0, 255, out=noise)
    return face.transpose(2, 0, 1)


def _background(labels: Mapping[str, int], chance: Sequence[float]) -> tuple[int, int, int]:
    """Red, green and blue of the background."""
    base = 200 if labels["background_tone"] == 0 else 90
    color = [base - 15 + int(30 * value) for value in chance]
    color[labels["background_hue"]] += 50
    red, green, blue = (min(value, 255) for value in color)
    return red, green, blue


def _pose(
    labels: Mapping[str, int], chance: Sequence[float], pixels: int, size: int
) -> tuple[float, float, float, float, float, float]:
    """The affine map from points of the result to points of the drawing, both in pixels."""
    turn, near, right, down = chance
    angle = math.radians((1 if labels["tilt"] else -1) * (3 + 9 * turn))
    extent = (176 if labels["zoom"] else 208) - 8 + 16 * near
    middle_x, middle_y = _MIDDLE
    # The upper left corner of the view, seen from the point of rotation.
    x = -extent / 2 + (-1 if labels["shift_x"] else 1) * (3 + 11 * right)
    y = 128 - middle_y - extent / 2 + (-1 if labels["shift_y"] else 1) * (3 + 11 * down)
    scale = pixels / EXTENT
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    step = extent / size
    return (
        cos * step, sin * step, cos * x + sin * y + scale * (middle_x - LEFT),
        -sin * step, cos * step, -sin * x + cos * y + scale * (middle_y - TOP),
    )  # fmt: skip


def _light(labels: Mapping[str, int], chance: Sequence[float]) -> tuple[float, ...]:
    """Brightness and saturation, as a matrix from colors to colors with a column of offsets."""
    bright, full = chance
    brightness = 0.7 + 0.1 * bright if labels["lighting"] else 0.95 + 0.1 * bright
    saturation = 0.5 + 0.15 * full if labels["saturation"] else 1.0
    red, green, blue = (brightness * (1 - saturation) * weight for weight in _GRAY)
    own = brightness * saturation
    return (
        red + own, green, blue, 0,
        red, green + own, blue, 0,
        red, green, blue + own, 0,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.int16]:
    """Normal quantiles: a uniform index into this table is faster to draw than a normal number."""
    quantiles = ndtri((np.arange(65536) + 0.5) / 65536)
    return np.rint(_GRAIN * quantiles).astype(np.int16)
