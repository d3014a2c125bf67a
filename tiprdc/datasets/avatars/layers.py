"""Draws each part of an avatar face once, as a transparent layer that many faces share.

A layer is cut out of the SVG drawing of `python-avatars` (MIT), rasterised by `resvg`, and kept
for the life of the process. Its layers on top of each other give the pixels of the whole drawing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import python_avatars as pa
from numpy.typing import NDArray
from PIL import Image, ImageColor
from resvg_py import svg_to_bytes

EXTENT = 288
"""Width and height of the square drawing in units of the SVG."""
LEFT, TOP = -12, -8
"""Left and upper border of the square drawing in units of the SVG."""

_PARTS = ("top", "facial_hair", "accessory", "clothing", "eyebrows", "eyes", "nose", "mouth")
_COLORS = ("skin_color", "hair_color", "facial_hair_color", "clothing_color")
_PLACEHOLDER = "@color"

_BASE = (
    ("Body", (), "skin_color"),
    ("Clothing", ("clothing",), "clothing_color"),
    ("Mouth", ("mouth",), ""),
    ("Nose", ("nose",), ""),
    ("Eyes", ("eyes",), ""),
    ("Eyebrow", ("eyebrows",), ""),
)
_HAIR = ("Top", ("top",), "hair_color")
_BEARD = ("Facial-Hair", ("facial_hair", "top"), "facial_hair_color")
_GLASSES = ("Accessory", ("accessory", "top"), "")
_ORDER = {
    False: (*_BASE, _BEARD, _HAIR, _GLASSES),
    True: (*_BASE, _HAIR, _BEARD, _GLASSES),
}
"""Layers from the lowest: element of the SVG, parts that decide its shape, part that is its color.

The key tells whether the beard covers the hair. Where the beard and the glasses are depends on the
hair.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """The pixels of one part: `(picture * transparency + color) / 256` lays it on a picture.

    All numbers are integers, so that a face has the same pixels on every machine.

    Args:
        rows: Rows of the picture that the layer covers.
        lanes: Columns that it covers, times three: red, green and blue lie side by side.
        transparency: 0 to 256 `[rows, lanes]`.
        color: 256 times the color that the layer adds `[rows, lanes]`.
    """

    rows: slice
    lanes: slice
    transparency: NDArray[np.uint16]
    color: NDArray[np.uint16]

    def cover(self, picture: NDArray[np.uint16]) -> None:
        """Lay this layer on a picture `[rows, 3 * columns]`, in place."""
        part = picture[self.rows, self.lanes]
        part *= self.transparency
        part += self.color
        part >>= 8


def compose(
    parts: Mapping[str, Enum], background: tuple[int, int, int], pixels: int
) -> NDArray[np.uint8]:
    """Draw a face upright.

    Args:
        parts: Part -> option, from `parts.choose_parts`.
        background: Red, green and blue, each 0 to 255.
        pixels: Width and height of the picture in pixels.

    Returns:
        RGB pixels `[pixels, pixels, 3]` of the square drawing.
    """
    picture = np.empty((pixels, 3 * pixels), dtype=np.uint16)
    picture[:] = np.tile(np.array(background, dtype=np.uint16), pixels)
    for layer in _layers(parts, pixels):
        layer.cover(picture)
    return picture.astype(np.uint8).reshape(pixels, pixels, 3)


def _layers(parts: Mapping[str, Enum], pixels: int) -> Iterator[Layer]:
    for element, shape, color in _ORDER[_beard_covers_hair(parts["top"])]:
        options = tuple([(part, parts[part]) for part in shape])
        layer = _layer(element, options, parts[color] if color else None, pixels)
        if layer is not None:
            yield layer


@lru_cache(maxsize=1024)
def _layer(
    element: str, options: tuple[tuple[str, Enum], ...], color: Enum | None, pixels: int
) -> Layer | None:
    """The layer of an element, or None where these options draw nothing."""
    return _colored(_cut_out(element, options), str(color) if color else "", pixels)


@lru_cache(maxsize=1024)
def _colored(svg: str, color: str, pixels: int) -> Layer | None:
    """A layer in its color. The same for all hair that has the beard at the same place."""
    top, left, black, white = _raster(svg, pixels)
    if not black.size:
        return None
    # A pixel is linear in the color: two rasters give all colors.
    share = np.array([*ImageColor.getrgb(color or "black"), 0], dtype=np.float32) / 255
    image = black + (white - black) * share
    height, width = image.shape[:2]
    transparency = np.rint(256 * (1 - image[..., 3:])).repeat(3, axis=-1)
    # 128 rounds to the nearest; 255 * transparency + added must stay below 2 ** 16.
    added = np.minimum(np.rint(255 * 256 * image[..., :3]) + 128, 65535 - 255 * transparency)
    return Layer(
        rows=slice(top, top + height),
        lanes=slice(3 * left, 3 * (left + width)),
        transparency=transparency.astype(np.uint16).reshape(height, 3 * width),
        color=added.astype(np.uint16).reshape(height, 3 * width),
    )


@lru_cache(maxsize=128)
def _raster(svg: str, pixels: int) -> tuple[int, int, NDArray[np.float32], NDArray[np.float32]]:
    """Rasterise a layer with its color black, and with its color white.

    Returns:
        The first row and the first column that are not empty; both rasters from there
        `[rows, columns, 4]`: RGBA from 0 to 1, with red, green and blue multiplied by alpha.
    """
    black = white = _rgba(svg.replace(_PLACEHOLDER, "#000000"), pixels)
    if _PLACEHOLDER in svg:
        white = _rgba(svg.replace(_PLACEHOLDER, "#ffffff"), pixels)
    rows, columns = (np.flatnonzero(black[..., 3].any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, black[:0], black[:0]
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return int(rows[0]), int(columns[0]), black[box].copy(), white[box].copy()


def _rgba(svg: str, pixels: int) -> NDArray[np.float32]:
    png = svg_to_bytes(svg_string=svg, width=pixels, height=pixels, skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(png))) as image:
        pixel = np.asarray(image.convert("RGBA")).astype(np.float32) / np.float32(255)
    pixel[..., :3] *= pixel[..., 3:]
    return pixel


@lru_cache(maxsize=64)
def _beard_covers_hair(top: Enum) -> bool:
    """Whether the beard is drawn after the hair."""
    root = _render((("top", top),))
    ids = [str(element.get("id", "")) for element in root.iter()]
    return ids.index(f"{top.value}_Facial-Hair") > ids.index(f"{top.value}_Hair-Color")


def _cut_out(element: str, options: tuple[tuple[str, Enum], ...]) -> str:
    """The SVG of one element alone, at its place in the drawing."""
    root = _render(options)
    parents = {child: parent for parent in root.iter() for child in parent}
    node = next(node for node in root.iter() if str(node.get("id", "")).split("_")[-1] == element)
    while node in parents:
        parent = parents[node]
        # Definitions of the drawing itself are used inside its body alone.
        keeps = parent is root
        for sibling in list(parent):
            if sibling is not node and not (keeps and sibling.tag.endswith("defs")):
                parent.remove(sibling)
        parent.attrib.pop("id", None)
        node = parent
    for name in ("width", "height"):
        root.attrib.pop(name)
    root.set("viewBox", f"{LEFT} {TOP} {EXTENT} {EXTENT}")
    return ET.tostring(root, encoding="unicode")


def _render(options: tuple[tuple[str, Enum], ...]) -> ET.Element:
    """The drawing with these parts alone, and a placeholder for each color."""
    absent: dict[str, Any] = dict.fromkeys(_PARTS)
    colors = dict.fromkeys(_COLORS, _PLACEHOLDER)
    avatar = pa.Avatar(style=pa.AvatarStyle.TRANSPARENT, **{**absent, **colors, **dict(options)})
    return ET.fromstring(str(avatar.render()))  # noqa: S314 (the text is of an installed library)
