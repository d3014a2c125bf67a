"""Pictures of more than one colour: a picture of one colour is no record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image


def striped(size: tuple[int, int], color: Any = (100, 100, 100), mode: str = "RGB") -> Image.Image:
    """A picture of this colour whose right half is black, or white if the colour is black."""
    image = Image.new(mode, size, color)
    black = not any(color if isinstance(color, tuple) else (color,))
    right = (size[0] // 2, 0, size[0], size[1])
    image.paste(Image.new("L", size, 255 * black).convert(mode).crop(right), right)
    return image


def save_picture(path: Path, shade: int = 100, size: tuple[int, int] = (12, 10)) -> Path:
    """Save a grey striped picture in the format of the file's ending, or as PNG without one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = None if path.suffix else "PNG"
    striped(size, (shade, shade, shade)).save(path, kind)
    return path
