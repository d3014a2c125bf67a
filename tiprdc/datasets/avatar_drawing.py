"""Draws one avatar face as pixels from its attribute classes and a random generator.

The face is composed as SVG from the parts of `python-avatars` (MIT), rasterised by `resvg`, and
changed as a camera would change it: lighting, saturation, focus, grain.
"""

from __future__ import annotations

import io
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
import python_avatars as pa
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from resvg_py import svg_to_bytes

_FACIAL_HAIR, _GLASSES, _HAIR = pa.FacialHairType, pa.AccessoryType, pa.HairType
_MOUTH, _EYES, _BROWS, _CLOTHES = pa.MouthType, pa.EyeType, pa.EyebrowType, pa.ClothingType

_PARTS: dict[str, dict[tuple[int, ...], list[Enum]]] = {
    "skin_color": {
        (0,): [pa.SkinColor.PALE, pa.SkinColor.LIGHT, pa.SkinColor.YELLOW],
        (1,): [pa.SkinColor.BROWN, pa.SkinColor.DARK_BROWN, pa.SkinColor.BLACK],
    },
    "facial_hair": {
        (0,): [_FACIAL_HAIR.NONE],
        (1,): [
            _FACIAL_HAIR.BEARD_LIGHT,
            _FACIAL_HAIR.BEARD_MEDIUM,
            _FACIAL_HAIR.BEARD_MAGESTIC,
            _FACIAL_HAIR.MOUSTACHE_FANCY,
            _FACIAL_HAIR.MOUSTACHE_MAGNUM,
        ],
    },
    "accessory": {
        (0,): [_GLASSES.NONE],
        (1,): [
            _GLASSES.KURT,
            _GLASSES.PRESCRIPTION_1,
            _GLASSES.PRESCRIPTION_2,
            _GLASSES.ROUND,
            _GLASSES.SUNGLASSES,
            _GLASSES.WAYFARERS,
        ],
    },
    # hair length, hair texture
    "top": {
        (0, 0): [_HAIR.CAESAR, _HAIR.CAESAR_SIDE_PART, _HAIR.SHORT_FLAT, _HAIR.SHORT_ROUND],
        (0, 1): [_HAIR.SHORT_CURLY, _HAIR.SHORT_DREADS_1, _HAIR.SHORT_DREADS_2, _HAIR.FRIZZLE],
        (1, 0): [_HAIR.STRAIGHT_1, _HAIR.STRAIGHT_2, _HAIR.STRAIGHT_STRAND, _HAIR.BOB],
        (1, 1): [_HAIR.CURLY, _HAIR.DREADS, _HAIR.CURVY, _HAIR.BIG_HAIR],
    },
    "hair_color": {
        (0,): [pa.HairColor.BLACK, pa.HairColor.BROWN_DARK],
        (1,): [pa.HairColor.PLATINUM, pa.HairColor.SILVER_GRAY, pa.HairColor.BLONDE_GOLDEN],
        (2,): [pa.HairColor.RED, pa.HairColor.PASTEL_PINK],
    },
    # smile, mouth open
    "mouth": {
        (0, 0): [_MOUTH.SERIOUS, _MOUTH.DISBELIEF, _MOUTH.SAD],
        (0, 1): [_MOUTH.SCREAM_OPEN, _MOUTH.CONCERNED],
        (1, 0): [_MOUTH.TWINKLE, _MOUTH.DEFAULT],
        (1, 1): [_MOUTH.SMILE, _MOUTH.BIG_SMILE],
    },
    "eyes": {
        (0,): [_EYES.DEFAULT, _EYES.SIDE, _EYES.SURPRISED, _EYES.EYE_ROLL],
        (1,): [_EYES.CLOSED, _EYES.HAPPY, _EYES.X_DIZZY],
    },
    "eyebrows": {
        (0,): [_BROWS.RAISED_EXCITED, _BROWS.RAISED_EXCITED_NATURAL],
        (1,): [_BROWS.ANGRY, _BROWS.ANGRY_NATURAL],
    },
    "nose": {(0,): [pa.NoseType.SMALL], (1,): [pa.NoseType.WIDE]},
    "clothing": {
        (0,): [_CLOTHES.HOODIE, _CLOTHES.SHIRT_CREW_NECK, _CLOTHES.SHIRT_V_NECK],
        (1,): [_CLOTHES.BLAZER_SWEATER, _CLOTHES.COLLAR_SWEATER],
    },
    "clothing_color": {
        (0,): [
            pa.ClothingColor.WHITE,
            pa.ClothingColor.PASTEL_BLUE,
            pa.ClothingColor.PASTEL_YELLOW,
        ],
        (1,): [pa.ClothingColor.BLACK, pa.ClothingColor.BLUE_03, pa.ClothingColor.GRAY_02],
    },
}
_ATTRIBUTES_OF_PART: dict[str, tuple[str, ...]] = {
    "skin_color": ("skin_tone",),
    "facial_hair": ("facial_hair",),
    "accessory": ("glasses",),
    "top": ("hair_length", "hair_texture"),
    "hair_color": ("hair_tone",),
    "mouth": ("smile", "mouth_open"),
    "eyes": ("eyes",),
    "eyebrows": ("brows",),
    "nose": ("nose",),
    "clothing": ("clothing",),
    "clothing_color": ("clothing_tone",),
}
"""Part -> the attributes whose classes select its options in `_PARTS`."""


def draw_face(labels: dict[str, int], rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Draw one face.

    Args:
        labels: Attribute -> class number, for all of `avatars.ATTRIBUTES`.
        rng: Decides everything that the attributes leave open.
        size: Height and width in pixels.

    Returns:
        RGB pixels `[3, size, size]`.
    """
    parts = {}
    for part, names in _ATTRIBUTES_OF_PART.items():
        options = _PARTS[part][tuple(labels[name] for name in names)]
        parts[part] = options[rng.integers(len(options))]
    parts["facial_hair_color"] = list(_PARTS["hair_color"].values())[rng.integers(2)][0]
    return _photograph(_frame(_compose(parts), labels, rng), labels, rng, size)


_SLOTS = (
    ("top", "facial_hair", "accessory"),
    ("clothing",),
    ("eyebrows",),
    ("eyes",),
    ("nose",),
    ("mouth",),
)
"""Parts by their slot in the drawing; the slot of the hair also holds the beard and the glasses."""
_COLORS = ("skin_color", "hair_color", "facial_hair_color", "clothing_color")


def _compose(parts: dict[str, Enum]) -> str:
    """The SVG that `pa.Avatar(**parts).render()` gives, composed from cached pieces.

    Parsing and writing XML for every face would take half of the time.
    """
    drawing = _blank()
    edits = [_edit(tuple((name, parts[name]) for name in slot)) for slot in _SLOTS]
    for start, stop, text in sorted(edits, reverse=True):
        drawing = drawing[:start] + text + drawing[stop:]
    for name in _COLORS:
        drawing = drawing.replace(f'"@{name}"', f'"{parts[name]}"')
    return drawing


@lru_cache(maxsize=1)
def _blank() -> str:
    return _render(())


@lru_cache(maxsize=4096)
def _edit(parts: tuple[tuple[str, Enum], ...]) -> tuple[int, int, str]:
    """How these parts change the blank drawing: (start, stop, text that replaces [start:stop])."""
    blank, drawing = _blank(), _render(parts)
    start = _common_prefix(blank, drawing)
    common = _common_prefix(blank[:start:-1], drawing[:start:-1])
    return start, len(blank) - common, drawing[start : len(drawing) - common]


def _common_prefix(first: str, second: str) -> int:
    """Length of the longest common prefix of two texts."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(first), len(second)))


def _render(parts: tuple[tuple[str, Enum], ...]) -> str:
    """The drawing with these parts only, and a placeholder `@name` for each color."""
    absent: dict[str, Any] = {name: None for slot in _SLOTS for name in slot}
    colors = {name: f"@{name}" for name in _COLORS}
    avatar = pa.Avatar(style=pa.AvatarStyle.TRANSPARENT, **{**absent, **colors, **dict(parts)})
    return str(avatar.render())


def _frame(svg: str, labels: dict[str, int], rng: np.random.Generator) -> str:
    """The drawing on a background, rotated, scaled and shifted as the labels require."""
    base = 200 if labels["background_tone"] == 0 else 90
    color = np.full(3, base) + rng.integers(-15, 15, size=3)
    color[labels["background_hue"]] += 50
    angle = (1 if labels["tilt"] else -1) * rng.uniform(3, 12)
    extent = (176 if labels["zoom"] else 208) + rng.uniform(-8, 8)
    x = 132 - extent / 2 + (-1 if labels["shift_x"] else 1) * rng.uniform(3, 14)
    y = 128 - extent / 2 + (-1 if labels["shift_y"] else 1) * rng.uniform(3, 14)
    start = svg.index(">", svg.index("<svg")) + 1
    body = svg[start : svg.rindex("</svg>")]
    view = f'viewBox="{x:.2f} {y:.2f} {extent:.2f} {extent:.2f}"'
    head = svg[:start].replace('width="264px" height="280px"', "")
    head = head.replace('viewBox="0 0 264 280"', view)
    fill = "#{:02x}{:02x}{:02x}".format(*np.clip(color, 0, 255))
    background = f'<rect x="-200" y="-200" width="700" height="700" fill="{fill}"/>'
    return f'{head}{background}<g transform="rotate({angle:.2f} 132 140)">{body}</g></svg>'


def _photograph(
    svg: str, labels: dict[str, int], rng: np.random.Generator, size: int
) -> NDArray[np.uint8]:
    """Rasterise the drawing, then apply lighting, saturation, focus and grain."""
    png = svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    dim = labels["lighting"] == 1
    image = ImageEnhance.Brightness(image).enhance(
        rng.uniform(0.7, 0.8) if dim else rng.uniform(0.95, 1.05)
    )
    if labels["saturation"]:
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.5, 0.65))
    if labels["focus"]:
        image = image.filter(ImageFilter.GaussianBlur(size / 64))
    pixels = np.asarray(image).astype(np.float64)
    if labels["grain"]:
        pixels = pixels + rng.normal(0, 8, size=pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8).transpose(2, 0, 1)
