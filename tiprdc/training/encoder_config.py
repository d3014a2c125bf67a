"""Settings of a frozen encoder in front of the trunk (`train.encoder`)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tiprdc.settings import Settings


class EncoderConfig(Settings, frozen=True, kw_only=True):
    """An ONNX file whose features the trunk reads in place of records (`train.encoder`)."""

    params_key: ClassVar[str] = "train.encoder"

    path: Annotated[
        str | None,
        Meta(
            description="ONNX file of an encoder of pictures or texts, which does not learn; null: "
            "none. The release is one file, encoder and head."
        ),
    ] = None
    pixels: Annotated[
        Literal["0..255", "0..1", "-1..1", "imagenet"] | None,
        Meta(
            description="Range to which pictures were scaled when the encoder was trained; null: "
            "0..255 for an encoder that takes uint8, else it is asked for.",
        ),
    ] = None
    layout: Annotated[
        Literal["nchw", "nhwc"] | None,
        Meta(
            description="Whether channels come before rows or after columns; null: the axis of "
            "which the file says that it has 3 numbers.",
        ),
    ] = None
    channels: Annotated[
        Literal["rgb", "bgr"],
        Meta(description="Order of the channels; bgr for encoders trained on OpenCV's pictures."),
    ] = "rgb"
    output: Annotated[
        str | None,
        Meta(
            description="Output that holds the features; null: the only one, or the only one with "
            "one vector a record.",
        ),
    ] = None
    pooling: Annotated[
        Literal["mean", "cls", "none"] | None,
        Meta(
            description="Of an output with a vector for each token of a text: their mean, that of "
            "the first token (cls), or all; null: the output has one vector a text.",
        ),
    ] = None
    licence: Annotated[
        str | None,
        Meta(
            description="Licence of the encoder, which the release states; null: what the file's "
            "metadata or a licence text beside it says.",
        ),
    ] = None
