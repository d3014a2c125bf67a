"""Anybody's ONNX file under audit: how records become what it takes, and a process with limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import Modality
from tiprdc.errors import ConfigError, ModelError
from tiprdc.formats.files import sha256
from tiprdc.sandbox import runner
from tiprdc.sandbox.model_info import ModelInfo

Pixels = Literal["0..255", "0..1", "-1..1", "imagenet"]
"""What the numbers of a picture run over when a model sees it."""

_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_DTYPES = ("uint8", "float32", "float64", "float16")


@dataclass(frozen=True, kw_only=True)
class InputAdapter:
    """From a record as our readers give it to what a model takes.

    Args:
        dtype: numpy's name of the model's type.
        pixels: For pictures; None for other records, which go in as they are.
        channels_last: For pictures `[N, H, W, C]`.
    """

    dtype: str
    pixels: Pixels | None = None
    channels_last: bool = False

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Records `[N, ...]` as the model takes them.

        Source of the means and deviations: torchvision's models trained on ImageNet.
        """
        if self.pixels is None:
            return x.astype(self.dtype)
        scaled = _SCALES[self.pixels](x) if self.pixels != "0..255" else x
        turned = scaled.transpose(0, 2, 3, 1) if self.channels_last else scaled
        return np.ascontiguousarray(turned).astype(self.dtype)


_SCALES = {
    "0..1": lambda x: x.astype(np.float32) / 255,
    "-1..1": lambda x: x.astype(np.float32) / 127.5 - 1,
    "imagenet": lambda x: (
        (x.astype(np.float32) / 255 - _MEAN[:, None, None].astype(np.float32))
        / _STD[:, None, None].astype(np.float32)
    ),
}


@dataclass(frozen=True)
class ForeignModel:
    """A file that is looked at, and run, in a process with limits (tiprdc/sandbox/runner.py).

    Args:
        path: The file.
        facts: What it takes and gives, as it was when it was first looked at.
        feed: How records are given to it.
    """

    path: Path
    facts: ModelInfo
    feed: InputAdapter

    @property
    def sha256(self) -> str:
        """Digest of the file that was looked at."""
        return self.facts.sha256

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[N, D]`, flattened.

        Raises:
            ModelError: The file is refused, fails on these records, or is another one by now.
        """
        z = runner.run(self.path, self.feed(x)).reshape(len(x), -1)
        if sha256_of(self.path) != self.sha256:
            raise ModelError(str(self.path), "a file that changes", "one that stays as it is")
        return z


def sha256_of(path: Path) -> str:
    """Digest of a file as it is now, or nothing if it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return ""


def picture_feed(
    facts: ModelInfo, pixels: str | None, size: int | None
) -> tuple[InputAdapter, int]:
    """How a model takes pictures, and their size in pixels.

    A wrong range makes features poor and attacks weak: so it is never guessed.

    Args:
        facts: Of the model.
        pixels: What the user says of the range.
        size: What the user says of the size, for a model that leaves it open.

    Raises:
        ModelError: It takes no square RGB pictures.
        ConfigError: The range or the size is not known, or not that of the model.
    """
    shape, where = facts.input_shape, "MODEL"
    last = len(shape) == 3 and shape[2] == 3 and shape[0] != 3
    sides = (shape[:2] if last else shape[1:]) if len(shape) == 3 else ()
    if len(sides) != 2 or (not last and shape[0] not in (3, None)):
        raise ModelError(
            where, f"it takes records of {_shape(facts)}", "RGB pictures: 3 x H x W or H x W x 3"
        )
    if facts.input_dtype not in _DTYPES:
        raise ModelError(where, f"it takes {facts.input_dtype}", f"one of {', '.join(_DTYPES)}")
    known = {side for side in sides if side is not None} | ({size} if size else set())
    if len(known) != 1:
        asked = f", {size} is asked for" if size else ""
        raise ConfigError(
            "--size", f"the model takes {_shape(facts)}{asked}",
            "one height and width", "" if known else "say it, e.g. --size 64",
        )  # fmt: skip
    if facts.input_dtype == "uint8" and pixels in (None, "0..255"):
        return InputAdapter(dtype="uint8", pixels="0..255", channels_last=last), known.pop()
    allowed = get_args(Pixels) if facts.input_dtype != "uint8" else ("0..255",)
    if pixels not in allowed:
        raise ConfigError(
            "--pixels", pixels or f"not said, and the model takes {facts.input_dtype}",
            f"one of {', '.join(allowed)}", "say how pictures were scaled when it was trained",
        )  # fmt: skip
    chosen = cast(Pixels, pixels)
    return InputAdapter(dtype=facts.input_dtype, pixels=chosen, channels_last=last), known.pop()


def modality_of(facts: ModelInfo) -> Modality:
    """What a model most likely takes: three sizes are a picture, whole numbers are token ids."""
    if len(facts.input_shape) == 3:
        return "image"
    return "text" if facts.input_dtype in ("int32", "int64") else "table"


def _shape(facts: ModelInfo) -> str:
    return " x ".join("any" if size is None else str(size) for size in facts.input_shape)
