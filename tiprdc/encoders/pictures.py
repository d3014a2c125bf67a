"""Pictures as a model of others takes them: size, range of values, layout and order of channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.encoders.options import ModelOptions
from tiprdc.errors import ConfigError, ModelError
from tiprdc.sandbox.execution import Feed
from tiprdc.sandbox.model_info import ModelInfo, TensorInfo

Pixels = Literal["0..255", "0..1", "-1..1", "imagenet"]
"""Range of the pixel values that a model takes."""
Layout = Literal["nchw", "nhwc"]
Channels = Literal["rgb", "bgr"]

IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""Of the three channels of pictures in 0..1, RGB."""
_PICTURE_DTYPES = ("uint8", "float32", "float64", "float16")


class PictureAdapter(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    """Converts pictures uint8 `[N, 3, H, W]`, RGB, to a model's input.

    Args:
        name: The input.
        dtype: numpy's name of its type.
        pixels: Range of its values.
        layout: Whether channels come before rows or after columns.
        channels: Their order.
    """

    name: str
    dtype: str
    pixels: Pixels
    layout: Layout
    channels: Channels = "rgb"

    def __call__(self, x: NDArray[Any]) -> Feed:
        """The input.

        Source of the means and deviations: torchvision's models trained on ImageNet.
        """
        scaled = _SCALES[self.pixels](x) if self.pixels != "0..255" else x
        ordered = scaled[:, ::-1] if self.channels == "bgr" else scaled
        arranged = ordered.transpose(0, 2, 3, 1) if self.layout == "nhwc" else ordered
        return {self.name: np.ascontiguousarray(arranged).astype(self.dtype)}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return (self.name,)

    def notes(self) -> Iterator[str]:
        """How pictures were given to the model."""
        yield (
            f"Pictures were given to the model as {self.pixels}, {self.channels.upper()},"
            f" {self.layout.upper()}."
        )


_SCALES = {
    "0..1": lambda x: x.astype(np.float32) / 255,
    "-1..1": lambda x: x.astype(np.float32) / 127.5 - 1,
    "imagenet": lambda x: (
        (x.astype(np.float32) / 255 - IMAGENET_MEAN[:, None, None].astype(np.float32))
        / IMAGENET_STD[:, None, None].astype(np.float32)
    ),
}


def picture_adapter(model: ModelInfo, options: ModelOptions) -> tuple[PictureAdapter, int]:
    """The adapter of a picture model, and the side of its pictures in pixels.

    A wrong range gives poor features and weak attacks, so it is never guessed. Nor is the layout,
    unless the file fixes which axis has the three channels.

    Args:
        model: The validated model.
        options: `pixels`, `size`, `layout` and `channels` as the user states them.

    Raises:
        ModelError: It takes no square RGB pictures.
        ConfigError: An option is missing or unknown, or does not match the model.
    """
    tensor = model.inputs[0]
    shape = tensor.shape or ()
    if len(model.inputs) > 1 or len(shape) != 3:
        raise ModelError(
            "MODEL", f"it takes records of {_shape(shape)}", "RGB pictures: 3 x H x W or H x W x 3"
        )
    if tensor.dtype not in _PICTURE_DTYPES:
        raise ModelError(
            "MODEL", f"it takes {tensor.dtype}", f"one of {', '.join(_PICTURE_DTYPES)}"
        )
    layout = _layout(tensor, options.layout)
    adapter = PictureAdapter(
        name=tensor.name, dtype=tensor.dtype, layout=layout,
        pixels=_pixels(tensor, options.pixels),
        channels=cast(Channels, _option("--channels", options.channels or "rgb", Channels)),
    )  # fmt: skip
    sides = shape[:2] if layout == "nhwc" else shape[1:]
    size = options.size
    known = {side for side in sides if side is not None} | ({size} if size else set())
    if len(known) != 1:
        requested = f", and --size is {size}" if size else ""
        raise ConfigError(
            "--size", f"the model takes {_shape(shape)}{requested}",
            "one height and width", "" if known else "add --size, e.g. --size 64",
        )  # fmt: skip
    return adapter, known.pop()


def _layout(tensor: TensorInfo, stated: str | None) -> Layout:
    """The stated layout, or the only one that the declared sizes allow."""
    first, _, last = tensor.shape or (None, None, None)
    possible = [
        layout for layout, channels in (("nchw", first), ("nhwc", last)) if channels in (3, None)
    ]  # fmt: skip
    if {first, last} == {3, None} and not stated:
        possible = ["nchw" if first == 3 else "nhwc"]
    if not possible:
        raise ModelError(
            "MODEL", f"it takes records of {_shape(tensor.shape or ())}",
            "RGB pictures: 3 x H x W or H x W x 3",
        )  # fmt: skip
    if stated is None and len(possible) > 1:
        raise ConfigError(
            "--layout", f"not given, and the model takes {_shape(tensor.shape or ())}",
            "nchw (3 x H x W) or nhwc (H x W x 3)", "give the layout of the model's training",
        )  # fmt: skip
    layout = _option("--layout", stated or possible[0], Layout)
    if layout not in possible:
        raise ConfigError(
            "--layout", f"{layout}, and the model takes {_shape(tensor.shape or ())}",
            " or ".join(possible),
        )  # fmt: skip
    return cast(Layout, layout)


def _pixels(tensor: TensorInfo, stated: str | None) -> Pixels:
    allowed = get_args(Pixels) if tensor.dtype != "uint8" else ("0..255",)
    chosen = stated or ("0..255" if tensor.dtype == "uint8" else None)
    if chosen not in allowed:
        raise ConfigError(
            "--pixels", chosen or f"not given, and the model takes {tensor.dtype}",
            f"one of {', '.join(allowed)}",
            "give the range to which pictures were scaled in training",
        )  # fmt: skip
    return cast(Pixels, chosen)


def _option(where: str, given: str, choices: Any) -> str:
    if given not in get_args(choices):
        raise ConfigError(where, given, f"one of {', '.join(get_args(choices))}")
    return given


def _shape(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)
