"""What `tiprdc audit` is asked to do: the files, the data and how to read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tiprdc.datasets.tables.dialect import Dialect
from tiprdc.errors import TiprdcError

SECTION = "prepare.manifest"
"""Section of params.yaml whose keys error messages of the manifest reader name."""
MORE_PEOPLE = "take more people, or lower min_people in a file for --policy"
"""Hint where a class has too few people."""


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """Models and data of a standalone audit.

    Args:
        models: One ONNX file, or several to compare on the same people.
        data: CSV, TSV or Parquet manifest, one row a record.
        root: Folder of the pictures; None: the manifest's folder.
        private, utility: Columns of private attributes and of utility tasks.
        x: Input columns. Empty: those of the release's manifest.json; else all other columns, or
            for pictures and texts the column with a usual name.
        person, split: Columns of the person and of the split, or None.
        modality: auto: inferred from the model's input.
        pixels, size: Range and size in pixels of the model's pictures.
        layout, channels: Layout (nchw, nhwc) and order of channels (rgb, bgr) of its pictures.
        background: Colour that transparent pixels are shown on: white, grey or black.
        tokenizer: tokenizer.json of a text model; None: the one next to the model.
        length: Tokens of a text, for a text model that leaves it open.
        output: The output that is sent; None: the only one, or the only vector.
        pooling: What becomes of an output for each token: mean, cls or none.
        rate, duration: Samples a second and seconds of recordings; None: those of the release's
            manifest.json, or the defaults of `prepare.manifest`.
        seed: Seed of the split into attackers' people.
        dialect: How the manifest is written, if it is a text file.
    """

    models: tuple[Path, ...]
    data: Path
    root: Path | None = None
    private: tuple[str, ...]
    utility: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    person: str | None = None
    split: str | None = None
    modality: Literal["auto", "image", "table", "text", "audio"] = "auto"
    pixels: str | None = None
    size: int | None = None
    layout: str | None = None
    channels: str | None = None
    background: str = "white"
    tokenizer: Path | None = None
    length: int | None = None
    output: str | None = None
    pooling: str | None = None
    rate: int | None = None
    duration: float | None = None
    seed: int = 0
    dialect: Dialect = field(default_factory=Dialect)


@contextmanager
def option_names_in_errors(data: str = "--data") -> Iterator[None]:
    """Replace keys of params.yaml in error messages by the equivalent command-line options.

    Args:
        data: What names the file of records on the command line.
    """
    try:
        yield
    except TiprdcError as error:

        def with_options(text: object) -> str:
            return str(text).replace(f"{SECTION}.path", data).replace(f"{SECTION}.", "--")

        parts = (error.where, error.given, error.expected, error.hint)
        raise type(error)(*map(with_options, parts)) from error
