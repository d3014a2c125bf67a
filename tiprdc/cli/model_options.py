"""Options of the commands that are given an ONNX file of others and people to judge it on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Person = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column that identifies the person of a record. Default: each record is a person.",
    ),
]
Policy = Annotated[
    Path | None,
    typer.Option(
        help="YAML file with keys of audit.policy, such as margin, against, min_people"
        " or attacker_people (docs/audit.md). Default: those of params.yaml as it ships."
    ),
]
Pixels = Annotated[
    str | None,
    typer.Option(
        help="Range to which pictures were scaled in training: 0..255, 0..1, -1..1 or imagenet."
        " Required for a model that takes decimal numbers."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(help="Side of the pictures in pixels, if the model leaves it open."),
]
Layout = Annotated[
    str | None,
    typer.Option(
        help="Layout of the model's pictures: nchw (channels first) or nhwc (channels last)."
        " Default: the axis of which the model says that it has 3 numbers."
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        help="Order of the model's channels: rgb, or bgr for models trained on OpenCV's"
        " pictures. Default: rgb."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Output of the model that is sent. Default: the only one, or the only one with one"
        " vector a record.",
    ),
]
Pooling = Annotated[
    str | None,
    typer.Option(
        help="What is sent of an output with one vector a token: mean over the tokens, cls (the"
        " first token's), or none (all of them)."
    ),
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(help="tokenizer.json of a text model. Default: the one next to the model."),
]
Length = Annotated[
    int | None,
    typer.Option(help="Tokens of a text, cut and padded, if the text model leaves it open."),
]
