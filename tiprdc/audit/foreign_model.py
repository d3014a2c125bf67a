"""A foreign ONNX file under audit: adapts records to its input and runs it in the sandbox."""

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
"""Range of the pixel values that a model takes."""

_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_PICTURE_DTYPES = ("uint8", "float32", "float64", "float16")


@dataclass(frozen=True, kw_only=True)
class InputAdapter:
    """Converts records as our readers return them to a model's input.

    Args:
        dtype: numpy's name of the type of the model's input.
        pixels: Range of pictures; None for other records, whose values stay.
        channels_last: Whether the model takes pictures `[N, H, W, C]`.
    """

    dtype: str
    pixels: Pixels | None = None
    channels_last: bool = False

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Records `[N, ...]` as the model's input.

        Source of the means and deviations: torchvision's models trained on ImageNet.
        """
        if self.pixels is None:
            return x.astype(self.dtype)
        scaled = _SCALES[self.pixels](x) if self.pixels != "0..255" else x
        arranged = scaled.transpose(0, 2, 3, 1) if self.channels_last else scaled
        return np.ascontiguousarray(arranged).astype(self.dtype)


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
    """A file that is validated and run in the sandbox (tiprdc/sandbox/runner.py).

    Args:
        path: The file.
        info: Its input, output and digest when it was validated.
        adapter: Converts records to its input.
    """

    path: Path
    info: ModelInfo
    adapter: InputAdapter

    @property
    def sha256(self) -> str:
        """Digest of the file that was validated."""
        return self.info.sha256

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[N, D]`, flattened.

        Raises:
            ModelError: The file is refused, fails on these records, or has changed.
        """
        z = runner.run(self.path, self.adapter(x)).reshape(len(x), -1)
        if sha256_of(self.path) != self.sha256:
            raise ModelError(str(self.path), "the file changed while it was audited")
        return z


def sha256_of(path: Path) -> str:
    """Current digest of a file; empty if it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return ""


def picture_adapter(
    model: ModelInfo, pixels: str | None, size: int | None
) -> tuple[InputAdapter, int]:
    """The adapter of a picture model, and the side of its pictures in pixels.

    A wrong range gives poor features and weak attacks, so it is never guessed.

    Args:
        model: The validated model.
        pixels: Range that the user states; None: not stated.
        size: Side that the user states, for a model that leaves it open; None: not stated.

    Raises:
        ModelError: It takes no square RGB pictures.
        ConfigError: The range or the size is unknown, or does not match the model.
    """
    shape, where = model.input_shape, "MODEL"
    last = len(shape) == 3 and shape[2] == 3 and shape[0] != 3
    sides = (shape[:2] if last else shape[1:]) if len(shape) == 3 else ()
    if len(sides) != 2 or (not last and shape[0] not in (3, None)):
        raise ModelError(
            where, f"it takes records of {_shape(model)}", "RGB pictures: 3 x H x W or H x W x 3"
        )
    if model.input_dtype not in _PICTURE_DTYPES:
        raise ModelError(
            where, f"it takes {model.input_dtype}", f"one of {', '.join(_PICTURE_DTYPES)}"
        )
    known = {side for side in sides if side is not None} | ({size} if size else set())
    if len(known) != 1:
        requested = f", and --size is {size}" if size else ""
        raise ConfigError(
            "--size", f"the model takes {_shape(model)}{requested}",
            "one height and width", "" if known else "add --size, e.g. --size 64",
        )  # fmt: skip
    if model.input_dtype == "uint8" and pixels in (None, "0..255"):
        return InputAdapter(dtype="uint8", pixels="0..255", channels_last=last), known.pop()
    allowed = get_args(Pixels) if model.input_dtype != "uint8" else ("0..255",)
    if pixels not in allowed:
        raise ConfigError(
            "--pixels", pixels or f"not given, and the model takes {model.input_dtype}",
            f"one of {', '.join(allowed)}",
            "give the range to which pictures were scaled in training",
        )  # fmt: skip
    chosen = cast(Pixels, pixels)
    return InputAdapter(dtype=model.input_dtype, pixels=chosen, channels_last=last), known.pop()


def infer_modality(model: ModelInfo) -> Modality:
    """The most likely modality: three axes are a picture, integers are token ids."""
    if len(model.input_shape) == 3:
        return "image"
    return "text" if model.input_dtype in ("int32", "int64") else "table"


def _shape(model: ModelInfo) -> str:
    return " x ".join("any" if size is None else str(size) for size in model.input_shape)
